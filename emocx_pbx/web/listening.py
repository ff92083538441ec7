"""Opens the HTTP port: bounded connections with deadlines, TLS if set, and the first administrator's link."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import sys
from collections.abc import Callable
from typing import Any, Final

import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from emocx_pbx.deeds.doing import Doer
from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import HttpSettings, Settings
from emocx_pbx.store.accounts import Accounts
from emocx_pbx.web.connections import Room
from emocx_pbx.web.identity.forwarded import networks
from emocx_pbx.web.identity.links import announce_first_link

log = structlog.get_logger()

#: Seconds for a request's line and headers to arrive, from the connection or the previous answer; so this is
#: also how long an idle connection is kept.
HEADERS_S: Final = 15.0
#: Seconds within which a client must read some of an answer that is larger than the buffers.
UNREAD_S: Final = 30.0
#: Seconds for the TLS handshake.
HANDSHAKE_S: Final = 5.0
#: Connections that the kernel queues for us until they are accepted.
BACKLOG: Final = 128
#: Seconds of pause after the kernel had no descriptor or memory left for us.
EXHAUSTED_S: Final = 0.5
#: Descriptors that HTTP leaves to FastAGI, AMI, the store, workers and receivers.
RESERVED: Final = 400
#: How the server reads: bodies undecoded, and nothing drained that no handler read.
READING: Final[dict[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,
    "keepalive_timeout": HEADERS_S,
    "lingering_time": 0.0,
    "max_field_size": 8190,
    "max_headers": 64,
    "max_line_size": 8190,
}


class HttpConnection(web.RequestHandler):
    """One connection, which reports when it is gone."""

    __slots__ = ("_on_gone", "_unread")

    def __init__(self, server: Any, on_gone: Callable[[], None]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **READING)
        self._on_gone = on_gone
        self._unread: asyncio.TimerHandle | None = None

    def log_exception(self, *args: Any, **more: Any) -> None:
        """Invalid HTTP is the client's fault, and reported to the client: it needs no traceback."""
        if isinstance(more.get("exc_info") or sys.exception(), HttpProcessingError):
            self.log_debug(*args)
        else:
            super().log_exception(*args, **more)

    def pause_writing(self) -> None:
        """The client has stopped reading; it must not hold its place and its answer for ever."""
        super().pause_writing()
        transport = self.transport
        if transport is not None and self._unread is None:
            self._unread = asyncio.get_running_loop().call_later(UNREAD_S, transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        super().resume_writing()
        self._read_on()

    def _read_on(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def connection_lost(self, exc: BaseException | None) -> None:
        """Free its place."""
        self._read_on()
        super().connection_lost(exc)
        self._on_gone()


class HttpServer:
    """The open port; `stop` closes it."""

    def __init__(
        self, app: web.Application, http: HttpSettings, tls: ssl.SSLContext | None, most: int
    ) -> None:
        """At most `most` connections are open at once."""
        self._http, self._tls = http, tls
        trusted = networks(http.trusted_proxies) if http.behind_proxy else ()
        self.room = Room(most, min(http.connections_per_address, most), trusted)
        self._runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=1.0, **READING)
        self._sockets: list[socket.socket] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        """The port that it listens on."""

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: the address is in use or not ours.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(
            self._http.host or None, self._http.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        try:
            for family, _, _, _, address in sorted(set(found)):
                place = (address[0], self.port or address[1], *address[2:])
                sock = socket.create_server(place, family=family, backlog=BACKLOG)
                sock.setblocking(False)
                self._sockets.append(sock)
                self.port = sock.getsockname()[1]
        except OSError:
            await self.stop()
            raise
        for sock in self._sockets:
            self._own(self._accept(sock))

    async def stop(self) -> None:
        """Stop listening, and end every connection."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sock in self._sockets:
            sock.close()
        self._sockets.clear()
        await self._runner.cleanup()

    async def _accept(self, sock: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                client, peer = await loop.sock_accept(sock)
            except OSError as error:
                # There is no descriptor left, or the client is gone already.
                log.warning("connection not taken", key="http.exhausted", why=str(error))
                await asyncio.sleep(EXHAUSTED_S)
                continue
            place = self.room.enter(str(peer[0]))
            if place is None:
                log.warning("connection refused: too many", key="http.crowded", open=self.room.open)
                client.close()
            elif self._tls is None:
                # Not awaited, so that the next one is accepted in the same turn.
                await self._connect(client, place)
            else:
                self._own(self._connect(client, place))

    async def _connect(self, client: socket.socket, place: str) -> None:
        """Make a connection from a socket; it frees its place when it is gone."""
        left = False

        def leave() -> None:
            nonlocal left
            if not left:
                left = True
                self.room.leave(place)

        server = self._runner.server
        handshake = {"ssl_handshake_timeout": HANDSHAKE_S} if self._tls else {}
        try:
            with contextlib.suppress(OSError):
                client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: HttpConnection(server, leave),
                client,
                ssl=self._tls,
                **handshake,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            leave()
            client.close()
            log.debug("no connection came of it", key="http.no_connection", why=str(error))
        except BaseException:
            leave()
            client.close()
            raise

    def _own(self, work: Any) -> None:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("connection failed through our own fault", key="http.connection_failed", exc_info=error)


async def listen(
    app: web.Application,
    settings: Settings,
    accounts: Accounts,
    deeds: Doer,
    descriptors: int = 65_536,
    *,
    link: bool = True,
) -> HttpServer:
    """Listen as the settings say; `port` of the returned object is the port.

    Args:
        app: answers the requests.
        settings: all settings.
        accounts: asked whether there is an administrator.
        deeds: asked for a link that makes one.
        descriptors: files that this process may have open.
        link: whether to print it; each of several web nodes would make the others' links void.

    Raises:
        SettingsError: the TLS files can't be used.
        OSError: the address is in use.
    """
    most = min(settings.http.max_connections, max(16, descriptors - RESERVED))
    listening = HttpServer(app, settings.http, tls_context(settings), most)
    await listening.start()
    if link:
        await announce_first_link(accounts, deeds, settings.http, listening.port)
    return listening


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's TLS context from http.tls_cert and tls_key; None without these.

    Raises:
        SettingsError: the files can't be used.
    """
    http = settings.http
    if not http.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.resolve(http.tls_cert), settings.resolve(http.tls_key))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"http.tls_cert, tls_key: can't be used: {error}") from error
    return context
