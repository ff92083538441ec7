"""The wire between hosts: our messages over NATS, as requests with deadlines, notices, or kept in a stream.

Imported only where a cluster is set up: a single host needs no NATS. Core messages (`ask`, `tell`) are lost
if nobody receives them now; what must not be lost goes into the stream (`keep`), from which `wire/inflow.py`
takes it.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import nats
import nats.errors
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js import JetStreamContext
from nats.js.errors import APIError, NoStreamResponseError
from nats.js.errors import Error as StreamError

from emocx_pbx.errors import EmocxError, OutcomeUnknown, PeerUnavailable, RefusedError
from emocx_pbx.wire.cancelling import cancelled
from emocx_pbx.wire.link import decoded
from emocx_pbx.wire.message import BadMessage, Message

log = structlog.get_logger()

#: With these a frozen server is noticed after about 2.7 s; with the defaults it takes minutes.
PING_S: Final = 1
PINGS: Final = 2
#: Seconds between two tries to connect; it never gives up.
RECONNECT_S: Final = 0.1
CONNECT_S: Final = 1
#: Seconds to wait after the servers refused us at the first try.
REFUSED_S: Final = 1.0
#: Seconds for a reachable server to accept a subscription.
FLUSH_S: Final = 5
#: Seconds for one acknowledgement by the stream; then the message is sent again under the same id.
KEEP_S: Final = 0.5
#: Messages of one subscription that may wait to be handled; more are dropped and counted.
MOST_WAITING: Final = 4096
#: Requests of one subject answered at a time; more are refused.
MOST_ASKED: Final = 512
#: Error number of a stream that is full (discard new).
_FULL: Final = 10077
#: Header of an answer that says why there is none: PeerUnavailable or RefusedError.
_UNAVAILABLE: Final = "Emocx-Unavailable"
_REFUSED: Final = "Emocx-Refused"

In = TypeVar("In")
_encode = msgspec.msgpack.Encoder().encode


class NobodyThere(PeerUnavailable):
    """Nobody takes this subject: what was asked is not done."""


class StreamFull(PeerUnavailable):
    """The stream takes no more until what is in it has been taken."""


@dataclass(frozen=True, slots=True)
class BusLogin:
    """Where the servers are, and who we are."""

    servers: tuple[str, ...]
    user: str = ""
    password: str = ""
    nkey_seed: str = ""
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    name: str = ""
    """Name of this client, for the servers' list of connections."""

    def options(self) -> dict[str, Any]:
        """The options, as nats-py takes them.

        Raises:
            PeerUnavailable: a certificate can't be read.
        """
        found: dict[str, Any] = {"servers": list(self.servers), "name": self.name or None}
        if self.user:
            found |= {"user": self.user, "password": self.password}
        if self.nkey_seed:
            found["nkeys_seed_str"] = self.nkey_seed
        if self.tls_ca or self.tls_cert or any(server.startswith("tls://") for server in self.servers):
            try:
                context = ssl.create_default_context(cafile=self.tls_ca or None)
                if self.tls_cert:
                    context.load_cert_chain(self.tls_cert, self.tls_key)
            except (OSError, ssl.SSLError) as error:
                raise PeerUnavailable(f"cluster.tls_ca, tls_cert or tls_key: {error}") from error
            found["tls"] = context
        return found


@dataclass(slots=True, eq=False)
class Subscriber:
    """A subscription, which lasts until `end`."""

    subject: str
    queue: str
    callback: Callable[[Msg], Awaitable[None]]
    subscription: Subscription | None = None
    ended: bool = False

    async def end(self) -> None:
        """End the subscription."""
        self.ended = True
        if self.subscription is not None:
            try:
                await self.subscription.unsubscribe()
            except (nats.errors.Error, OSError) as error:
                log.debug("not unsubscribed", key="bus.unsubscribe", why=str(error))


class Bus:
    """One connection; subscriptions made before it is up take effect once it is."""

    def __init__(
        self,
        login: BusLogin,
        on_state: Callable[[bool, str], None] = lambda up, why: None,
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        """Prepare; `start` connects.

        Args:
            login: where to, and as whom.
            on_state: called at each change with whether the connection is up, and if not, why.
            count: adds one to a counter: bus_dropped, bus_refused, bus_failed.
        """
        self._login, self._on_state, self._count = login, on_state, count
        self._client = Client()
        self._connecting: asyncio.Task[None] | None = None
        self._wanted: list[Subscriber] = []
        self._answering: set[asyncio.Task[None]] = set()
        self._why = "not connected yet"

    # Life.

    async def start(self, within_s: float = 2.0) -> bool:
        """Connect, and keep trying; waits at most `within_s` seconds. Returns whether it is up.

        Raises:
            PeerUnavailable: a certificate can't be read.
        """
        options = self._login.options()
        self._on_state(False, self._why)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(options), name="nats")
        await asyncio.wait([self._connecting], timeout=within_s)
        return self.up

    async def _connect(self, options: dict[str, Any]) -> None:
        while True:
            try:
                await self._client.connect(
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]
                    connect_timeout=CONNECT_S,
                    ping_interval=PING_S,
                    max_outstanding_pings=PINGS,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_down,
                    reconnected_cb=self._on_up,
                    **options,
                )
                break
            except (nats.errors.Error, OSError, ValueError) as error:
                await self._on_error(error)
                self._client = Client()
                await asyncio.sleep(REFUSED_S)
        for subscriber in self._wanted:
            await self._subscribe(subscriber)
        await self._on_up()

    async def close(self, within_s: float = 1.0) -> None:
        """Send what is waiting to be sent, and disconnect."""
        await cancelled(task for task in (self._connecting, *self._answering) if task is not None)
        try:
            async with asyncio.timeout(within_s):
                if self.up:
                    await self._client.flush()
                await self._client.close()
        except (TimeoutError, nats.errors.Error, OSError) as error:
            log.debug("NATS connection not closed cleanly", key="bus.close", why=str(error))
        if (again := self._client._reconnection_task) is not None:
            await cancelled([again])

    @property
    def up(self) -> bool:
        """Whether it is connected, as far as we know; a silent server is noticed after 3 s."""
        return self._client.is_connected

    async def _on_up(self) -> None:
        self._why = ""
        self._on_state(True, "")
        log.info("nats connected", key="bus.up", server=self._client.connected_url and
                 self._client.connected_url.netloc.rpartition("@")[2])  # fmt: skip

    async def _on_down(self) -> None:
        self._why = "no connection to NATS"
        self._on_state(False, self._why)
        log.warning("nats connection lost", key="bus.down")

    async def _on_error(self, error: Exception) -> None:
        if isinstance(error, nats.errors.SlowConsumerError):
            self._count("bus_dropped")
            return
        why = f"{type(error).__name__}: {error}".removesuffix(": ")
        if why != self._why:
            self._why = why
            log.warning("nats", key="bus.error", why=why)
            if not self.up:
                self._on_state(False, why)

    # Core messages.

    async def ask(
        self, subject: str, message: Message, answers: msgspec.msgpack.Decoder[In], within_s: float
    ) -> In:
        """Send a request and return the answer of whoever serves the subject.

        Raises:
            NobodyThere: nobody serves it; this is known at once.
            OutcomeUnknown: no answer arrived in time.
            PeerUnavailable: we are not connected, or the other side can't answer now.
            RefusedError: the answer was no.
            BadMessage: the answer is malformed.
        """
        if not self.up:
            raise PeerUnavailable(self._why or "no connection to NATS")
        try:
            answer = await self._client.request(subject, _encode(message), timeout=within_s)
        except nats.errors.NoRespondersError:
            raise NobodyThere(f"nobody answers {subject}") from None
        except TimeoutError:
            raise OutcomeUnknown(f"no answer on {subject} within {within_s:g} s") from None
        except (nats.errors.Error, OSError) as error:
            raise PeerUnavailable(f"{subject}: {type(error).__name__} {error}") from error
        if answer.headers and (why := answer.headers.get(_UNAVAILABLE)):
            raise PeerUnavailable(why)
        if answer.headers and (why := answer.headers.get(_REFUSED)):
            raise RefusedError(why)
        return decoded(answers, answer.data)

    async def tell(self, subject: str, message: Message) -> bool:
        """Send to whoever listens now; False: there is no connection, and the message is lost."""
        if not self.up:
            return False
        try:
            await self._client.publish(subject, _encode(message))
        except (nats.errors.Error, OSError) as error:
            log.debug("not told", key="bus.untold", subject=subject, why=str(error))
            return False
        return True

    async def hear(
        self, subject: str, messages: msgspec.msgpack.Decoder[In], take: Callable[[In], None]
    ) -> Subscriber:
        """Have `take` called with each message of a subject (wildcards allowed), in order.

        `take` must not block. Messages beyond MOST_WAITING are dropped and counted.
        """

        async def one(msg: Msg) -> None:
            try:
                take(decoded(messages, msg.data))
            except BadMessage as error:
                log.error("message refused", key="bus.bad_message", subject=msg.subject, why=str(error))
                self._count("bus_failed")
            except Exception:
                # The outermost loop of a subject: one message must not end the others.
                log.exception("message not handled", key="bus.unhandled", subject=msg.subject)
                self._count("bus_failed")

        return await self._want(subject, "", one)

    async def answer(
        self,
        subject: str,
        messages: msgspec.msgpack.Decoder[In],
        handle: Callable[[In], Awaitable[Message]],
        queue: str = "",
    ) -> Subscriber:
        """Answer requests of a subject; with a `queue`, each goes to only one of those that answer it.

        Requests are handled concurrently, MOST_ASKED at most. An EmocxError is returned to whoever asked.
        """

        async def one(msg: Msg) -> None:
            if len(self._answering) >= MOST_ASKED:
                self._count("bus_refused")
                await self._respond(msg, b"", {_UNAVAILABLE: "too many requests"})
                return
            task = asyncio.get_running_loop().create_task(self._handle(msg, messages, handle))
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)

        return await self._want(subject, queue, one)

    async def _handle(
        self,
        msg: Msg,
        messages: msgspec.msgpack.Decoder[In],
        handle: Callable[[In], Awaitable[Message]],
    ) -> None:
        try:
            body, headers = _encode(await handle(decoded(messages, msg.data))), None
        except PeerUnavailable as error:
            body, headers = b"", {_UNAVAILABLE: _one_line(error)}
        except EmocxError as error:
            body, headers = b"", {_REFUSED: _one_line(error)}
        except Exception:
            # The outermost loop of a request: whoever asked gets an error, and waits no longer.
            log.exception("request failed", key="bus.request_failed", subject=msg.subject)
            self._count("bus_failed")
            body, headers = b"", {_UNAVAILABLE: "failed"}
        await self._respond(msg, body, headers)

    async def _respond(self, msg: Msg, body: bytes, headers: dict[str, str] | None) -> None:
        try:
            if msg.reply and self.up:
                await self._client.publish(msg.reply, body, headers=headers)
        except (nats.errors.Error, OSError) as error:
            log.debug("answer not sent", key="bus.unanswered", why=str(error))

    async def _want(self, subject: str, queue: str, callback: Callable[[Msg], Awaitable[None]]) -> Subscriber:
        subscriber = Subscriber(subject, queue, callback)
        self._wanted = [*(other for other in self._wanted if not other.ended), subscriber]
        if self._connecting is not None and self._connecting.done():
            await self._subscribe(subscriber)
        return subscriber

    async def _subscribe(self, subscriber: Subscriber) -> None:
        if subscriber.ended:
            return
        subscriber.subscription = await self._client.subscribe(
            subscriber.subject,
            queue=subscriber.queue,
            cb=subscriber.callback,
            pending_msgs_limit=MOST_WAITING,
        )
        try:
            # Else the server may get it only after the next messages. Twice: a PING overtakes what nats-py's
            # flusher has not written yet; the second one follows it.
            await self._client.flush(timeout=FLUSH_S)
            await self._client.flush(timeout=FLUSH_S)
        except (nats.errors.Error, TimeoutError, OSError) as error:
            log.warning(
                "subscription not flushed", key="bus.unflushed", subject=subscriber.subject, why=str(error)
            )

    # The stream.

    @property
    def stream(self) -> JetStreamContext:
        """The connection's JetStream, for `wire/stream.py` and `wire/inflow.py`."""
        return self._client.jetstream(timeout=KEEP_S)

    async def keep(self, subject: str, body: bytes, message_id: str) -> None:
        """Have the stream keep a message, once however often it is repeated; returns when the stream has it.

        Raises:
            StreamFull: the stream is full now.
            PeerUnavailable: it was not acknowledged in time; it may be kept all the same. Repeat it under
                this id.
        """
        if not self.up:
            raise PeerUnavailable(self._why or "no connection to NATS")
        try:
            await self.stream.publish(subject, body, timeout=KEEP_S, headers={"Nats-Msg-Id": message_id})
        except NoStreamResponseError:
            raise PeerUnavailable("not stored: there is no stream, or it has no leader") from None
        except APIError as error:
            if error.err_code == _FULL:
                raise StreamFull from None
            raise PeerUnavailable(f"stream: {error.description}") from error
        except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
            raise PeerUnavailable(f"stream: {type(error).__name__} {error}") from error


def _one_line(error: Exception) -> str:
    """A text made fit for a header: no line breaks, not too long."""
    return " ".join(str(error).split())[:500] or type(error).__name__
