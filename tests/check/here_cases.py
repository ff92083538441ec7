"""What can be wrong on this machine and with receivers, each made so for real, with what is expected."""

from __future__ import annotations

import contextlib
import http.server
import importlib
import re
import socket
import sqlite3
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import msgspec

from emocx_pbx.settings.delivery import DeliverySettings
from emocx_pbx.settings.settings import Settings, WebhookSettings
from emocx_pbx.store.migrate import migrations

TLS = Path(__file__).parents[1] / "data/tls"
SECRET = "whsec_" + "A" * 44

Make = Callable[[Settings, Path], "contextlib.AbstractContextManager[Settings]"]


@dataclass(frozen=True)
class Here:
    """One thing that is wrong."""

    what: str
    finds: str
    remedy: str
    topic: str
    level: str
    make: Make

    @property
    def id(self) -> str:
        return re.sub(r"\W+", "-", self.what).strip("-").lower()


def with_settings(settings: Settings, **changes: Any) -> Settings:
    for place, value in changes.items():
        section, _, name = place.partition("__")
        if not name:
            settings = msgspec.structs.replace(settings, **{section: value})
            continue
        table = msgspec.structs.replace(getattr(settings, section), **{name: value})
        settings = msgspec.structs.replace(settings, **{section: table})
    return settings


def patched(name: str, answer: Callable[..., Any]) -> Make:
    """What only a machine of that kind has."""

    @contextlib.contextmanager
    def make(settings: Settings, folder: Path) -> Iterator[Settings]:
        with mock.patch(name, answer):
            yield settings

    return make


def setting(**changes: Any) -> Make:
    @contextlib.contextmanager
    def make(settings: Settings, folder: Path) -> Iterator[Settings]:
        filled = {k: v.format(folder=folder) if isinstance(v, str) else v for k, v in changes.items()}
        yield with_settings(settings, **filled)

    return make


def port_taken(place: str, offset: int = 0) -> Make:
    """A program that says nothing listens where serve would."""

    @contextlib.contextmanager
    def make(settings: Settings, folder: Path) -> Iterator[Settings]:
        with socket.create_server(("127.0.0.1", 0)) as stranger:
            port = stranger.getsockname()[1] - offset
            more = {"analysis__workers": offset + 1} if offset else {}
            yield with_settings(settings, **{place: port}, **more)

    return make


def database(prepare: Callable[[Path], None]) -> Make:
    @contextlib.contextmanager
    def make(settings: Settings, folder: Path) -> Iterator[Settings]:
        path = folder / "emocx.db"
        prepare(path)
        yield with_settings(settings, store__path=str(path))

    return make


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations()) + 1}")
        connection.commit()


def damaged(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE calls (id TEXT)")
        connection.executemany("INSERT INTO calls VALUES (?)", [("x" * 500,)] * 200)
        connection.commit()
    content = bytearray(path.read_bytes())
    content[8192:16384] = b"\x55" * 8192
    path.write_bytes(content)


def no_database(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)


def policy(text: str, **changes: Any) -> Make:
    @contextlib.contextmanager
    def make(settings: Settings, folder: Path) -> Iterator[Settings]:
        (folder / "policy.toml").write_text(text)
        yield with_settings(settings, routing__policy=str(folder / "policy.toml"), **changes)

    return make


def without_package(name: str, make: Make) -> Make:
    """As if an extra's package were not installed."""

    @contextlib.contextmanager
    def hidden(settings: Settings, folder: Path) -> Iterator[Settings]:
        util: Any = importlib.import_module("importlib.util")
        asks: list[Any] = [
            importlib.import_module(f"emocx_pbx.{name}") for name in ("check.needs", "emotion.whisper")
        ]
        found = util.find_spec

        def find_spec(wanted: str, package: str | None = None) -> Any:
            return None if wanted == name else found(wanted, package)

        for module in (util, *asks):
            module.find_spec = find_spec
        try:
            with make(settings, folder) as changed:
                yield changed
        finally:
            for module in (util, *asks):
                module.find_spec = found

    return hidden


def without_weights(make: Make) -> Make:
    """As if nothing had been fetched."""

    @contextlib.contextmanager
    def hidden(settings: Settings, folder: Path) -> Iterator[Settings]:
        needs: Any = importlib.import_module("emocx_pbx.check.needs")
        found = needs.folder_of
        needs.folder_of = lambda wanted: None
        try:
            with make(settings, folder) as changed:
                yield changed
        finally:
            needs.folder_of = found

    return hidden


class _Receiver(http.server.BaseHTTPRequestHandler):
    skew_s = 0.0

    def do_HEAD(self) -> None:
        self.send_response(405)
        self.end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        import time

        return formatdate(time.time() + self.skew_s, usegmt=True)

    def log_message(self, *_: object) -> None:
        """Not on the tests' stderr."""


def receiver(scheme: str = "http", *, skew_s: float = 0.0, tls: bool = False, up: bool = True) -> Make:
    """A receiver on loopback, which the settings allow."""

    @contextlib.contextmanager
    def make(settings: Settings, folder: Path) -> Iterator[Settings]:
        kind = type("Receiver", (_Receiver,), {"skew_s": skew_s})
        server = http.server.HTTPServer(("127.0.0.1", 0), kind)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(TLS / "cert.pem", TLS / "key.pem")
            server.socket = context.wrap_socket(server.socket, server_side=True)
        port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        if up:
            thread.start()
        else:
            server.server_close()
        hook = WebhookSettings(name="crm", url=f"{scheme}://127.0.0.1:{port}/hook", secret=SECRET)
        allowed = DeliverySettings(allow_networks=("127.0.0.0/8",))
        try:
            yield with_settings(settings, webhooks=(hook,), delivery=allowed)
        finally:
            if up:
                server.shutdown()
                thread.join()
                server.server_close()

    return make


def hook(url: str) -> Make:
    return setting(webhooks=(WebhookSettings(name="crm", url=url, secret=SECRET),))


CASES = (
    Here(
        "disk is nearly full",
        "0.0 GB free in",
        "make room",
        "disk",
        "fail",
        patched("emocx_pbx.check.local.shutil.disk_usage", lambda folder: SimpleNamespace(free=10**6)),
    ),
    Here(
        "memory is less than the workers take",
        "workers take about",
        "lower analysis.workers",
        "memory",
        "warn",
        patched("emocx_pbx.check.check._meminfo", lambda: "MemAvailable: 100000 kB"),
    ),
    Here(
        "no settings file",
        "no settings file was read",
        "/etc/emocx-pbx/emocx.toml",
        "settings",
        "warn",
        setting(file=""),
    ),
    Here(
        "asterisk.secret is empty",
        "asterisk.secret is empty",
        "set it",
        "settings",
        "fail",
        setting(asterisk__secret=""),
    ),
    Here(
        "Asterisk elsewhere, all addresses still loopback",
        "can't reach the workers at 127.0.0.1 (analysis.host), the workers listen on 127.0.0.1 alone"
        " (analysis.bind), can't ask for decisions at 127.0.0.1 (agi.host)",
        "EMOCX_AGI = this machine's address:4573 in [globals], permit",
        "remote",
        "fail",
        setting(asterisk__host="192.0.2.7", agi__port=4573),
    ),
    Here(
        "ports open to others though Asterisk is here",
        "analysis.bind listens on 0.0.0.0",
        "let only Asterisk's address through the firewall",
        "settings",
        "warn",
        setting(analysis__bind="0.0.0.0"),
    ),
    Here(
        "policy is not TOML",
        "policy.toml: is not TOML",
        "correct the file",
        "policy",
        "fail",
        policy("[[rules"),
    ),
    Here(
        "policy file is missing",
        "can't be read",
        "correct the file",
        "policy",
        "fail",
        setting(routing__policy="{folder}/absent.toml"),
    ),
    Here(
        "rubric file is missing",
        "absent.toml",
        "correct the file",
        "rubric",
        "fail",
        setting(grading__rubric="{folder}/absent.toml"),
    ),
    Here(
        "models folder is missing",
        "no text model",
        "install the model again",
        "models",
        "fail",
        setting(analysis__models_dir="{folder}/absent", analysis__text_model="lstm"),
    ),
    Here(
        "http.port is taken",
        "another program listens on 127.0.0.1:",
        "or set http.port",
        "ports",
        "fail",
        port_taken("http__port"),
    ),
    Here("agi.port is taken", "(agi.port)", "or set agi.port", "ports", "fail", port_taken("agi__port")),
    Here(
        "the third worker's port is taken",
        "(analysis.base_port + 2)",
        "or set analysis.base_port",
        "ports",
        "fail",
        port_taken("analysis__base_port", 2),
    ),
    Here(
        "two settings name one port",
        "http.port and agi.port are both 8085",
        "set agi.port to another port",
        "ports",
        "fail",
        setting(http__port=8085, agi__port=8085),
    ),
    Here(
        "http.host is no address of this machine",
        "192.0.2.1 (http.host) is no address of this machine",
        "set http.host",
        "ports",
        "fail",
        setting(http__host="192.0.2.1", http__port=8085),
    ),
    Here(
        "database of a newer version",
        "is of a newer version",
        "install the newer release again",
        "database",
        "fail",
        database(newer),
    ),
    Here(
        "database is damaged",
        "is damaged",
        "put a backup in its place",
        "database",
        "fail",
        database(damaged),
    ),
    Here(
        "database is another kind of file",
        "is damaged: file is not a database",
        "put a backup in its place",
        "database",
        "fail",
        database(no_database),
    ),
    Here(
        "database is a folder",
        "can't be written by this user",
        "correct store.path",
        "database",
        "fail",
        setting(store__path="{folder}"),
    ),
    Here(
        "database's folder is missing",
        "can't be written",
        "create it, owned by the user",
        "disk",
        "fail",
        setting(store__path="{folder}/absent/emocx.db"),
    ),
    Here(
        "TLS certificate is missing",
        "http.tls_cert, tls_key",
        "name a PEM certificate",
        "certificates",
        "fail",
        setting(http__tls_cert="{folder}/absent.pem", http__tls_key="{folder}/absent.key"),
    ),
    Here(
        "TLS key of another certificate",
        "http.tls_cert, tls_key",
        "name a PEM certificate",
        "certificates",
        "fail",
        setting(http__tls_cert=str(TLS / "key.pem"), http__tls_key=str(TLS / "cert.pem")),
    ),
    Here(
        "asterisk.tls_ca is missing",
        "asterisk.tls_ca",
        "name a PEM file of the CA",
        "certificates",
        "fail",
        setting(asterisk__tls=True, asterisk__tls_ca="{folder}/absent.pem"),
    ),
    Here(
        "delivery.ca_file is missing",
        "delivery.ca_file",
        "correct delivery.ca_file",
        "webhooks",
        "fail",
        setting(delivery=DeliverySettings(ca_file="/absent/ca.pem")),
    ),
    Here(
        "transcriber's folder is empty",
        "has no model.bin",
        "name the folder of a faster-whisper model",
        "extras",
        "fail",
        setting(analysis__transcriber="{folder}"),
    ),
    Here(
        "transcriber without its extra",
        "needs the extra speech-to-text: what callers say is not understood",
        "pip install 'emocx-pbx[speech-to-text]'",
        "extras",
        "warn",
        without_package("faster_whisper", setting(analysis__transcriber="auto")),
    ),
    Here(
        "transcriber without its weights",
        "speech-to-text has no weights: what callers say is not understood",
        "emocx-pbx models fetch speech-to-text",
        "weights",
        "warn",
        without_weights(setting(analysis__transcriber="auto")),
    ),
    Here(
        "topics without their weights",
        "topics are told apart by their words alone",
        "emocx-pbx models fetch topics",
        "weights",
        "warn",
        without_weights(policy('[topics]\na = ["my bill", "money"]\nb = ["parcel", "van"]\n')),
    ),
    Here(
        "the voice model without its extra",
        'analysis.speech_model = "voice" needs the extra voice',
        "pip install 'emocx-pbx[voice]'",
        "extras",
        "fail",
        without_package("onnxruntime", setting(analysis__speech_model="voice")),
    ),
    Here(
        "topics without their extra",
        "the policy's topics need the extra topics",
        "pip install 'emocx-pbx[topics]'",
        "extras",
        "fail",
        without_package("onnxruntime", policy('[topics]\na = ["my bill", "money"]\nb = ["parcel", "van"]\n')),
    ),
    Here(
        "recordings folder is missing",
        "/absent is not there",
        "correct recordings.path",
        "recordings",
        "fail",
        setting(recordings__path="{folder}/absent/{{call_id}}.wav"),
    ),
    Here(
        "receiver refuses connections",
        "refuses connections",
        "start the receiver",
        "webhooks",
        "fail",
        receiver(up=False),
    ),
    Here(
        "receiver's name is not known",
        "can't be resolved",
        "correct the address",
        "webhooks",
        "warn",
        hook("https://crm.invalid/hook"),
    ),
    Here(
        "receiver in a private network",
        "is not at a public address",
        "allow_networks",
        "webhooks",
        "fail",
        hook("http://10.1.2.3/hook"),
    ),
    Here(
        "receiver with a certificate that nobody trusts",
        "is not trusted",
        "[delivery] ca_file",
        "webhooks",
        "fail",
        receiver("https", tls=True),
    ),
    Here(
        "receiver without TLS behind https",
        "no TLS connection",
        "is that port one of https?",
        "webhooks",
        "fail",
        receiver("https"),
    ),
    Here(
        "receiver's clock ten minutes behind",
        " s behind ours",
        "NTP",
        "webhooks",
        "fail",
        receiver(skew_s=-600),
    ),
    Here(
        "receiver's clock a minute ahead", " s ahead of ours", "NTP", "webhooks", "warn", receiver(skew_s=60)
    ),
)
