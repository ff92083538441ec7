"""One POST against a raw TCP receiver: bytes as configured, any 2xx taken, only where receivers may be."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from webhooks.webhook_receiver import SECRET

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.webhooks import post as module
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.schedule import AttemptOutcome

LOOPBACK = Poster(Networks(["127.0.0.0/8"]))
TLS = Path(__file__).parents[1] / "data" / "tls"
BODY = b'{"a":1}'


@dataclass
class RawReceiver:
    """Answers any bytes, and keeps what it was sent."""

    answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n"
    stays_open: bool = False
    got: list[bytes] = field(default_factory=list)
    port: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)
    handling: set[asyncio.Task[None]] = field(default_factory=set)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.handling.add(task)
        with contextlib.closing(writer), contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            self.got.append(head + await reader.readexactly(len(BODY)))
            writer.write(self.answer)
            await writer.drain()
            if self.stays_open:
                await self.over.wait()


@contextlib.asynccontextmanager
async def raw(receiver: RawReceiver, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawReceiver]:
    server = await asyncio.start_server(receiver.handle, "127.0.0.1", 0, ssl=tls)
    receiver.port = server.sockets[0].getsockname()[1]
    yield receiver
    server.close()
    receiver.over.set()
    await asyncio.gather(*receiver.handling)


async def post(
    receiver: RawReceiver, target: str = "/hook", by: Poster = LOOPBACK, **more: Any
) -> AttemptOutcome:
    url = more.pop("url", f"http://127.0.0.1:{receiver.port}{target}")
    observed = WebhookSettings(name="crm", url=url, secret=SECRET, **more)
    outcome = await by.post(observed, {"webhook-id": "1"}, BODY)
    assert outcome is not None
    return outcome


@pytest.mark.parametrize(
    "target",
    [
        "/hook?sig=a%2Bb%2fc%3D%3D&x=1+2",
        "/a%20b/%7Eu/%e4?q=%41",
        "/a//b/../c/./d",
        '/p?a=[1]&b={x}|y^z`"<>\\',
        "/?",
    ],
)
async def test_the_address_goes_out_byte_for_byte(target: str) -> None:
    async with raw(RawReceiver()) as receiver:
        assert (await post(receiver, target)).taken
    head, _, body = receiver.got[0].partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0] == f"POST {target} HTTP/1.1"
    assert lines[1] == f"host: 127.0.0.1:{receiver.port}"
    assert {"webhook-id: 1", f"content-length: {len(BODY)}"} <= set(lines)
    assert body == BODY


async def test_credentials_of_the_address_are_sent_as_basic_authentication() -> None:
    async with raw(RawReceiver()) as receiver:
        await post(receiver, url=f"http://ann:p%40ss@127.0.0.1:{receiver.port}/")
    assert b"authorization: Basic YW5uOnBAc3M=\r\n" in receiver.got[0]
    assert b"host: 127.0.0.1:" in receiver.got[0]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\ncontent-length: 9\r\n\r\nsome body",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: br\r\ncontent-length: 3\r\n\r\n\x00\x01\x02",
        b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\nnot gzip",
        b"HTTP/1.1 200 OK\r\nx-long: " + b"y" * 200_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\ncut",
        b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 1_000_000,
        b"HTTP/1.0 200\n\n",
        b"HTTP/1.1 200",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n",
    ],
)
async def test_a_2xx_is_taken_whatever_follows_it(answer: bytes) -> None:
    async with raw(RawReceiver(answer)) as receiver:
        assert (await post(receiver)).taken


async def test_a_2xx_whose_rest_never_comes_is_taken_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "REST_S", 0.05)
    async with raw(RawReceiver(b"HTTP/1.1 200 OK\r\nx: y", stays_open=True)) as receiver:
        assert await post(receiver) == AttemptOutcome(200)


async def test_a_refusals_words_are_kept() -> None:
    answer = b"HTTP/1.1 422 X\r\nretry-after: 7\r\n\r\n" + b"no such field " * 100
    async with raw(RawReceiver(answer)) as receiver:
        outcome = await post(receiver)
    assert (outcome.status, outcome.retry_after, len(outcome.said)) == (422, "7", 300)
    assert outcome.said.startswith("no such field no such")


@pytest.mark.parametrize("banner", [b"SSH-2.0-OpenSSH_9.2\r\n", b"+PONG secret\r\n"])
async def test_other_services_banners_are_not_repeated(banner: bytes) -> None:
    async with raw(RawReceiver(banner)) as receiver:
        assert await post(receiver) == AttemptOutcome(None, "the answer is not HTTP")


async def test_no_answer_in_time_and_none_at_all() -> None:
    async with raw(RawReceiver(b"", stays_open=True)) as receiver:
        assert await post(receiver, timeout_s=0.1) == AttemptOutcome(None, "no answer within 0.1 s")
    async with raw(RawReceiver(b"")) as receiver:
        assert await post(receiver) == AttemptOutcome(None, "the connection was closed without an answer")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        refused = await post(receiver, url=f"http://127.0.0.1:{port}/")
    assert refused == AttemptOutcome(None, f"127.0.0.1:{port} refuses connections")


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "0"]
)
async def test_addresses_that_are_not_public_need_the_setting(host: str) -> None:
    async with raw(RawReceiver()) as receiver:
        outcome = await post(receiver, url=f"http://{host}:{receiver.port}/", by=Poster(Networks()))
    assert outcome.status is None and "[delivery] allow_networks" in outcome.error
    assert receiver.got == []


async def test_a_name_is_judged_by_its_addresses_when_connecting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A name may point to a public address when it is entered, and into this network later."""

    async def resolved(host: str, port: int, **_: object) -> list[Any]:
        assert host == "rebound.example"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in now]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolved)
    async with raw(RawReceiver()) as receiver:
        url = f"http://rebound.example:{receiver.port}/"
        now = ["127.0.0.1"]
        assert (await post(receiver, url=url)).taken
        assert (await post(receiver, url=url, by=Poster(Networks()))).status is None
        now = ["10.0.0.1", "127.0.0.1"]  # of several, only those that are permitted are tried
        assert (await post(receiver, url=url)).taken
    assert b"host: rebound.example:" in receiver.got[0]


async def test_a_private_ca_is_trusted_by_the_setting() -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
    trusting = Poster(Networks(["127.0.0.0/8"]), str(TLS / "cert.pem"))
    async with raw(RawReceiver(), context) as receiver:
        url = f"https://localhost:{receiver.port}/hook"
        refused = await post(receiver, url=url)
        assert refused.status is None and "is not trusted" in refused.error
        assert (await post(receiver, url=url, by=trusting)).taken


@pytest.mark.parametrize(("content", "why"), [(None, "No such file"), ("no PEM", "no certificate in it")])
def test_a_ca_file_that_is_none_is_refused_at_once(tmp_path: Path, content: str | None, why: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SettingsError, match=f"delivery.ca_file: .*{why}"):
        Poster(Networks(), str(path))
