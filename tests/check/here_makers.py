"""How a machine is put out of order here: its settings, ports, database, packages, receivers."""

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
        asking: list[Any] = [
            importlib.import_module(f"emocx_pbx.{part}") for part in ("check.needs", "emotion.whisper")
        ]
        found = util.find_spec

        def find_spec(wanted: str, package: str | None = None) -> Any:
            return None if wanted == name else found(wanted, package)

        for module in (util, *asking):
            module.find_spec = find_spec
        try:
            with make(settings, folder) as changed:
                yield changed
        finally:
            for module in (util, *asking):
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
