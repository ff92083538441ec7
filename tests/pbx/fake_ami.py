"""A fake Asterisk that speaks the real manager protocol on 127.0.0.1, and misbehaves on request."""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
Headers = list[tuple[str, str]]


async def within(awaitable: asyncio.Future[T], seconds: float = 5.0) -> T:
    async with asyncio.timeout(seconds):
        return await awaitable


class FakeAmi:
    """Start with `async with FakeAmi() as ami`; look at `actions`, steer by the attributes."""

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0) -> None:
        self.port = port
        self.secret = "s3cret"
        self.version = "22.10.1"
        self.reporting = True
        """The user may ask CoreStatus and CoreSettings (write=reporting)."""
        self.system = True
        """The user is told FullyBooted (read=system)."""
        self.startup = ("2026-11-24", "08:00:00")
        self.uptime = 1000
        self.mute: set[str] = set()
        """Names of actions that get no answer."""
        self.greeting = b"Asterisk Call Manager/11.0.0\r\n"
        self.actions: list[Headers] = []
        self.connections = 0
        self.answers: dict[str, Callable[[dict[str, str]], bytes]] = {}
        """Answers of the test's own, by name of the action."""
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()

    async def __aenter__(self) -> FakeAmi:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def cut(self) -> None:
        """Drop all connections."""
        for writer in self._writers:
            writer.transport.abort()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def send(self, data: bytes) -> None:
        """Send bytes to every logged-in or waiting client."""
        for writer in self._writers:
            writer.write(data)

    def event(self, name: str, **headers: str) -> None:
        self.send(message(("Event", name), *headers.items()))

    def seen(self, name: str) -> list[dict[str, str]]:
        return [dict(headers) for headers in self.actions if dict(headers).get("Action") == name]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something arrived that makes the condition true."""
        async with asyncio.timeout(5):
            while not condition():
                self._news.clear()
                await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        self._news.set()
        writer.write(self.greeting)
        try:
            while True:
                raw = await reader.readuntil(b"\r\n\r\n")
                headers = [
                    (key, value)
                    for line in raw.decode().split("\r\n")
                    if line
                    for key, _, value in [line.partition(": ")]
                ]
                self.actions.append(headers)
                self._news.set()
                self._answer(writer, dict(headers))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._tasks.discard(task)
            self._writers.discard(writer)
            writer.transport.abort()

    def _answer(self, writer: asyncio.StreamWriter, action: dict[str, str]) -> None:
        name, action_id = action["Action"], ("ActionID", action["ActionID"])
        if name in self.mute:
            return
        if name in self.answers:
            writer.write(self.answers[name](action))
            return
        success = ("Response", "Success"), action_id
        denied = message(("Response", "Error"), action_id, ("Message", "Permission denied"))
        answer = message(*success)
        if name == "Challenge":
            answer = message(*success, ("Challenge", "167345"))
        elif name == "Login":
            key = hashlib.md5(f"167345{self.secret}".encode()).hexdigest()
            if action.get("Key") == key or action.get("Secret") == self.secret:
                answer = message(*success, ("Message", "Authentication accepted"))
                if self.system:
                    answer += self.fully_booted()
            else:
                answer = message(("Response", "Error"), action_id, ("Message", "Authentication failed"))
        elif name == "CoreSettings":
            answer = message(*success, ("AsteriskVersion", self.version)) if self.reporting else denied
        elif name == "CoreStatus":
            date, time = self.startup
            born = ("CoreStartupDate", date), ("CoreStartupTime", time)
            answer = message(*success, *born) if self.reporting else denied
        elif name == "Ping":
            answer = message(*success, ("Ping", "Pong"))
        elif name == "Originate":
            answer = message(*success, ("Message", "Originate successfully queued"))
            answer += message(("Event", "OriginateResponse"), action_id, ("Response", "Success"))
        elif name == "Status":
            answer = message(*success, ("EventList", "start"), ("Message", "Channel status will follow"))
            answer += message(("Event", "Status"), action_id, ("Channel", "PJSIP/a-1"))
            answer += message(("Event", "Status"), action_id, ("Channel", "PJSIP/b-2"))
            complete = ("Event", "StatusComplete"), action_id, ("EventList", "Complete"), ("ListItems", "2")
            answer += message(*complete)
        elif name == "Redirect":
            answer = message(("Response", "Error"), action_id, ("Message", "Channel does not exist"))
        writer.write(answer)

    def fully_booted(self) -> bytes:
        uptime = ("Uptime", str(self.uptime)), ("LastReload", str(self.uptime))
        return message(("Event", "FullyBooted"), ("Privilege", "system,all"), *uptime)


def message(*headers: tuple[str, str]) -> bytes:
    return "".join(f"{key}: {value}\r\n" for key, value in headers).encode() + b"\r\n"
