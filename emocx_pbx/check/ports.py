"""The part of the check about the ports that `serve` listens on: free, our service's, or another's."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from emocx_pbx.check.finding import Finding
from emocx_pbx.pbx.agi.answers import CHECK_ANSWER, CHECK_PATH
from emocx_pbx.pbx.agi.protocol import set_commands
from emocx_pbx.pbx.audiosocket.protocol import NOBODY, encode_hangup, encode_uuid
from emocx_pbx.settings.settings import Settings

Kind = Literal["http", "agi", "worker"]

#: Seconds for whoever listens to show what it is.
SHOW_S = 1.0
#: A request without a call: enough to distinguish the service from another program.
_ASK_AGI = (
    f"agi_network: yes\nagi_network_script: {CHECK_PATH[1:]}\nagi_channel: Local/emocx-check\n"
    "agi_uniqueid: emocx-check\n\n"
).encode()


@dataclass(frozen=True, slots=True)
class Port:
    """One address that serve listens on."""

    setting: str
    host: str
    port: int
    kind: Kind


def ports_of(settings: Settings) -> Iterator[Port]:
    """All of them, except those that are chosen at the start (0)."""
    http, agi, analysis = settings.http, settings.agi, settings.analysis
    wanted = [Port("http.port", http.host, http.port, "http"), Port("agi.port", agi.host, agi.port, "agi")]
    if analysis.base_port:
        for i in range(analysis.workers):
            name = "analysis.base_port" if i == 0 else f"analysis.base_port + {i}"
            wanted.append(Port(name, analysis.bind, analysis.base_port + i, "worker"))
    yield from (port for port in wanted if port.port)


async def port_findings(settings: Settings, ports: Sequence[Port] | None = None) -> AsyncIterator[Finding]:
    """Try to listen on each (None: all in the settings); where we can't, see who does."""
    ports = list(ports_of(settings)) if ports is None else [port for port in ports if port.port]
    used: dict[int, str] = {}
    ours = free = 0
    for port in ports:
        if port.port in used:
            yield Finding(
                "fail", "ports", f"{used[port.port]} and {port.setting} are both {port.port}",
                f"set {port.setting.split(' ')[0]} to another port",
            )  # fmt: skip
            continue
        used[port.port] = port.setting
        problem = _bound(port)
        if problem == errno.EADDRINUSE and await _is_ours(port, bool(settings.http.tls_cert)):
            ours += 1
        elif problem:
            yield _finding(port, problem)
        else:
            free += 1
    if ours + free == len(ports):
        whose = f", {ours} by the running service" if ours else ""
        yield Finding("ok", "ports", f"{len(ports)} ports can be listened on{whose}")


def _bound(port: Port) -> int:
    """The error number of listening there; 0: none."""
    try:
        found = socket.getaddrinfo(port.host, port.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, number, _, address in found[:1]:
            with socket.socket(family, kind, number) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
                probe.listen(1)
    except OSError as error:
        return error.errno or errno.EADDRNOTAVAIL
    return 0


def _finding(port: Port, problem: int) -> Finding:
    setting = port.setting.split(" ")[0]
    host = "analysis.bind" if port.kind == "worker" else f"{port.kind}.host"
    if problem == errno.EADDRINUSE:
        return Finding(
            "fail", "ports", f"another program listens on {port.host}:{port.port} ({port.setting})",
            f"end it (ss -ltnp 'sport = :{port.port}' names it), or set {setting} to another port",
        )  # fmt: skip
    if problem == errno.EACCES:
        return Finding(
            "fail", "ports", f"{port.host}:{port.port} ({port.setting}) needs rights that we don't have",
            f"set {setting} to a port from 1024 on",
        )  # fmt: skip
    return Finding(
        "fail", "ports", f"{port.host} ({host}) is no address of this machine",
        f"set {host} to one of its addresses, or to 127.0.0.1",
    )  # fmt: skip


async def _is_ours(port: Port, tls: bool) -> bool:
    """Whether our service answers there, by that port's protocol."""
    import ssl

    context = None
    if port.kind == "http" and tls:
        # Whose certificate it is does not matter: what answers is on this machine.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    question, answer = {
        "http": (b"GET /healthz HTTP/1.0\r\nhost: localhost\r\n\r\n", b'{"status": "ok"}'),
        "agi": (_ASK_AGI, set_commands(CHECK_ANSWER)[0].encode()),
        "worker": (encode_uuid(NOBODY), encode_hangup()),
    }[port.kind]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(port.host, port.host)
    got = b""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(SHOW_S):
            reader, writer = await asyncio.open_connection(host, port.port, ssl=context)
            try:
                writer.write(question)
                while answer not in got and (data := await reader.read(4096)):
                    got += data
            finally:
                writer.transport.abort()
    return got == answer if port.kind == "worker" else answer in got
