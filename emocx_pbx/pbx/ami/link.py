"""One AMI connection: panoramisk's Manager and AMIProtocol without what makes them unsafe to trust.

A link lives as long as its connection and takes everything it waits for with it: nothing is sent
again, nothing reconnects by itself. Compared with panoramisk 1.4: bytes are cut into messages before
they are decoded (UTF-8 survives any split), lists end by Asterisk's EventList header (not by English
words), events go to one ordered synchronous callback, and every request has a deadline.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from panoramisk.actions import Action
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager
from panoramisk.message import Message

from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.pbx.ami.message import AmiResponse, checked_action

log = structlog.get_logger()

BANNER: Final = b"Asterisk Call Manager/"
MAX_MESSAGE: Final = 1 << 20
"""Bytes of one message; Asterisk's longest events have some tens of kilobytes (channel variables)."""
MAX_PENDING: Final = 1_000
"""Actions waiting for answers; more means that Asterisk answers pings but nothing else."""


#: Headers by which messages are told apart.
SINGLE: Final = frozenset({"event", "response", "actionid", "commandid", "eventlist", "message"})


def plain(message: Any) -> dict[str, str]:
    """A panoramisk message as a dict; repeated headers joined by newlines."""
    headers = {}
    for key, value in message.items():
        if key != "content" or value:
            headers[key] = value if isinstance(value, str) else "\n".join(value)
    return headers


def read_message(text: str) -> Message | None:
    """One message of the wire, without its blank line; None if it is neither event nor response.

    A header of any spelling may come repeated: those that say what the message is, and whose, have
    their first value then, which is Asterisk's own (a site's UserEvent adds its headers behind).
    """
    values: dict[str, list[str]] = {}
    spelled: dict[str, str] = {}
    for line in text.split("\r\n"):
        name, found, value = line.partition(": ")
        if found and name:
            values.setdefault(name.lower(), []).append(value)
            spelled.setdefault(name.lower(), name)
    if "event" not in values and "response" not in values:
        return None
    return Message(
        {
            spelled[name]: found[0] if len(found) == 1 or name in SINGLE else found
            for name, found in values.items()
        }
    )


class LinkAction(Action):  # type: ignore[misc]
    """An action that is complete when Asterisk's headers say so."""

    def add_message(self, message: Any) -> bool:
        """Take a message meant for this action; True when it was the last."""
        first = not self.responses
        if first or not self.future.done():
            self.responses.append(message)
        if first:
            done = not (message.success and message.eventlist.lower() == "start")
        else:
            done = message.event.endswith("Complete") or message.eventlist.lower() in (
                "complete",
                "cancelled",
            )
        if done and not self.future.done():
            self.future.set_result(self.responses)
        return bool(done)


class LinkProtocol(AMIProtocol):  # type: ignore[misc]
    """Bytes to messages, and messages to the actions that wait for them or to the link."""

    encoding = "utf-8"

    def __init__(self, link: AmiLink) -> None:
        self._link = link
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport; nothing is sent before the banner."""
        super().connection_made(transport)
        self.factory = self._link
        self._link.protocol = self

    def data_received(self, data: bytes) -> None:
        """Cut whole messages off; a broken stream ends the link."""
        buffer = self._buffer
        seen = max(0, len(buffer) - 3)
        buffer += data
        if self.version is None:
            if not self._read_banner():
                return
            seen = 0
        start = 0
        while not self.closed and (end := buffer.find(b"\r\n\r\n", max(seen, start))) >= 0:
            text = buffer[start:end].decode(self.encoding, "replace").lstrip("\r\n")
            start = end + 4
            self._handle(text)
        del buffer[:start]
        if len(buffer) > MAX_MESSAGE:
            self._link.end(f"message of more than {MAX_MESSAGE} bytes")

    def _read_banner(self) -> bool:
        line, found, _ = self._buffer.partition(b"\n")
        if line[: len(BANNER)] != BANNER[: len(line)] or len(line) > 100:
            self._link.end("not an Asterisk manager interface")
            return False
        if found:
            self.version = line[len(BANNER) :].decode("ascii", "replace").strip()
            del self._buffer[: len(line) + 1]
            self._link.greet(self.version)
        return bool(found)

    def _handle(self, text: str) -> None:
        try:
            if (message := read_message(text)) is not None:
                self.handle_message(message)
        except Exception:
            # The outermost loop of messages: asyncio would cut the link for one that can't be handled.
            log.exception("message of Asterisk not handled", key="ami.message_failed")
            self._link.count("ami_handler_failed")

    def handle_message(self, message: Any) -> None:
        """Give an answer to its action, and every other event to the link.

        An event that carries the id of an action without an open list is an event like others:
        OriginateResponse, which also has a Response header, may overtake the response proper. An action
        past its deadline still swallows its items.
        """
        action = self.responses.get(message.id)
        if action is not None and ("event" not in message or action.responses):
            if action.add_message(message):
                self.responses.pop(message.id, None)
        elif "event" in message:
            self._link.dispatch(message)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the link; nothing is kept to be sent again."""
        self.closed = True
        self._link.end("connection lost" if exc is None else f"connection lost: {exc}")

    def close(self) -> None:
        """Drop the connection at once: what was not yet sent must not arrive late."""
        if not self.closed:
            self.closed = True
            self.transport.abort()


class AmiLink(Manager):  # type: ignore[misc]
    """One connection to Asterisk, used once."""

    def __init__(
        self,
        host: str,
        port: int,
        tls: ssl.SSLContext | None,
        on_event: Callable[[dict[str, str]], None],
        count: Callable[[str], None] = lambda name: None,
    ) -> None:
        loop = asyncio.get_running_loop()
        super().__init__(host=host, port=port, ssl=tls, loop=loop)
        self._on_event, self.count = on_event, count
        self._greeting: asyncio.Future[str] = loop.create_future()
        self._gone = asyncio.Event()
        self.reason = ""
        """Why the link ended; empty while it lives."""
        self.ami_version = ""

    async def open(self, deadline_s: float) -> None:
        """Connect and read the banner.

        Raises:
            PeerUnavailable: nothing answers, no banner in time, wrong certificate, or it is not Asterisk.
        """
        host, port = self.config["host"], self.config["port"]
        try:
            async with asyncio.timeout(deadline_s):
                await self.loop.create_connection(
                    lambda: LinkProtocol(self), host, port, ssl=self.config["ssl"]
                )
                self.ami_version = await self._greeting
        except TimeoutError:
            raise PeerUnavailable(f"no answer from {host}:{port} within {deadline_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise PeerUnavailable(f"TLS: certificate refused: {error.verify_message}") from None
        except ssl.SSLError as error:
            raise PeerUnavailable(f"TLS: {error.reason or error}") from None
        except OSError as error:
            raise PeerUnavailable(f"can't connect to {host}:{port}: {error.strerror or error}") from None

    async def login(self, username: str, secret: str, auth: str, deadline_s: float) -> None:
        """Log in, by MD5 challenge or plainly.

        Raises:
            RefusedError: `login refused: ...`, such as for a wrong secret.
            PeerUnavailable: no answer in time, or the connection is lost.
        """
        fields = {"Username": username, "Events": "on"}
        try:
            if auth == "md5":
                challenge = (await self.request("Challenge", {"AuthType": "MD5"}, deadline_s)).headers
                both = challenge.get("Challenge", "") + secret
                # The AMI's own scheme; TLS is what protects the link.
                fields["Key"] = hashlib.md5(both.encode(), usedforsecurity=False).hexdigest()
                fields["AuthType"] = "MD5"
            else:
                fields["Secret"] = secret
            await self.request("Login", fields, deadline_s)
        except RefusedError as error:
            raise RefusedError(f"login refused: {error}") from None

    async def request(
        self, name: str, fields: Mapping[str, str | list[str]], deadline_s: float
    ) -> AmiResponse:
        """Send an action and await its whole answer.

        Raises:
            ProtocolError: the action would not arrive as it is meant; nothing was sent.
            PeerUnavailable: the link is gone, or the answer was not complete in time.
            RefusedError: Asterisk answered `Response: Error`; the message is Asterisk's.
        """
        headers = checked_action(name, fields)
        if self.reason or self.protocol is None:
            raise PeerUnavailable(self.reason or "not connected")
        if len(self.protocol.responses) >= MAX_PENDING:
            raise PeerUnavailable(f"{MAX_PENDING} actions are unanswered")
        action = LinkAction(headers)
        if action.id in self.protocol.responses:
            raise ProtocolError(f"AMI {name!r}: ActionID is in use")
        self.send_action(action)
        try:
            async with asyncio.timeout(deadline_s):
                messages = await action.future
        except TimeoutError:
            raise PeerUnavailable(f"no answer to {name} within {deadline_s:g} s") from None
        response = plain(messages[0])
        if not messages[0].success:
            raise RefusedError(response.get("Message") or f"{name} refused")
        return AmiResponse(response, tuple(plain(message) for message in messages[1:]))

    async def ended(self, within_s: float) -> bool:
        """Wait for the link's end, at most this long; True when it ended."""
        try:
            async with asyncio.timeout(within_s):
                await self._gone.wait()
        except TimeoutError:
            return False
        return True

    def greet(self, version: str) -> None:
        """The banner was read."""
        if not self._greeting.done():
            self._greeting.set_result(version)

    def dispatch(self, event: Any) -> None:
        """Pass on an event, at once and in order."""
        self._on_event(plain(event))

    def end(self, reason: str) -> None:
        """Close for good, for this reason (the first one counts); all who wait for answers get it."""
        if self.reason:
            return
        self.reason = reason
        if not self._greeting.done():
            self._greeting.set_exception(OSError(reason))
            self._greeting.exception()  # nobody may be waiting any more
        if self.protocol is not None:
            self.protocol.close()
            for action in self.protocol.responses.values():
                if not action.future.done():
                    action.future.set_exception(PeerUnavailable(reason))
            self.protocol.responses.clear()
        self._gone.set()

    def close(self) -> None:
        """Close for good."""
        self.end("link closed")
