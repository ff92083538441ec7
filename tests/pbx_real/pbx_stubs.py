"""Stand-ins for the service and an eye on Asterisk, so that the dialplan is tested alone."""

from __future__ import annotations

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID

Event = dict[str, str]


@dataclass
class AgiCall:
    """One FastAGI connection from Asterisk."""

    path: str
    args: list[str]
    env: dict[str, str]
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def command(self, line: str) -> str:
        self.writer.write(line.encode() + b"\n")
        await self.writer.drain()
        return (await self.reader.readline()).decode().strip()

    async def get(self, name: str) -> str:
        answer = await self.command(f"GET VARIABLE {name}")
        return answer[answer.find("(") + 1 : answer.rfind(")")] if "(" in answer else ""

    async def set(self, **values: object) -> None:
        for name, value in values.items():
            await self.command(f'SET VARIABLE {name} "{value}"')


Behaviour = Callable[[AgiCall], Awaitable[None]]


class StubServer:
    """Listens on a free port of this machine, and serves each connection until the test is over."""

    port: int = 0

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        tasks: set[asyncio.Task[None]] = set()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.ensure_future(self._serve(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise NotImplementedError


@dataclass
class StubAgi(StubServer):
    """A FastAGI server that behaves as each test wants, path by path."""

    behave: dict[str, Behaviour] = field(default_factory=dict)
    calls: list[AgiCall] = field(default_factory=list)
    called: asyncio.Event = field(default_factory=asyncio.Event)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        env: dict[str, str] = {}
        try:
            while line := (await reader.readline()).decode().strip():
                name, _, value = line.partition(": ")
                env[name] = value
            path = "/" + env["agi_network_script"]
            args = [env[k] for k in sorted(env) if k.startswith("agi_arg_")]
            call = AgiCall(path, args, env, reader, writer)
            self.calls.append(call)
            self.called.set()
            await self.behave[path](call)
        except ConnectionError:
            pass
        finally:
            writer.close()


async def silence(call: AgiCall) -> None:
    """Take the connection and never answer, as a frozen service does."""
    await asyncio.Event().wait()


def agrees(value: str | None, wanted: str) -> bool:
    if wanted.endswith("*"):
        return value is not None and value.startswith(wanted[:-1])
    return value == wanted


class AmiProbe:
    """A manager connection that keeps all events and waits for the one a test looks for."""

    def __init__(self) -> None:
        self.events: list[tuple[float, Event]] = []
        self._changed = asyncio.Condition()
        self._answers: dict[str, asyncio.Future[Event]] = {}
        self._lists: dict[str, list[Event]] = {}
        self._count = 0

    @contextlib.asynccontextmanager
    async def connected(self, port: int, username: str, secret: str) -> AsyncIterator[AmiProbe]:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        await self._reader.readline()
        task = asyncio.create_task(self._read())
        try:
            assert (await self.action(Action="Login", Username=username, Secret=secret))[
                "Response"
            ] == "Success"
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self._writer.close()

    async def _read(self) -> None:
        while True:
            message: Event = {}
            while line := (await self._reader.readline()).decode(errors="replace").strip():
                name, _, value = line.partition(": ")
                message[name.rstrip(":")] = value
            if not message:
                if self._reader.at_eof():
                    return
                continue
            answer = self._answers.pop(message.get("ActionID", ""), None) if "Response" in message else None
            if answer is not None and not answer.done():
                answer.set_result(message)
            async with self._changed:
                self.events.append((time.monotonic(), message))
                self._changed.notify_all()

    async def action(self, **fields: str | list[str]) -> Event:
        self._count += 1
        action_id = f"probe-{self._count}"
        lines = [f"ActionID: {action_id}"]
        for name, value in fields.items():
            lines += [f"{name}: {v}" for v in ([value] if isinstance(value, str) else value)]
        self._answers[action_id] = future = asyncio.get_running_loop().create_future()
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        async with asyncio.timeout(10):
            answer: Event = await future
            return answer

    async def event(
        self, name: str, deadline_s: float = 10.0, *, after: int = 0, **fields: str
    ) -> tuple[float, Event]:
        """The first event from index `after` on with this name and these fields, and when it came.

        A field that ends in * is the beginning of what is looked for.
        """

        def matching() -> tuple[float, Event] | None:
            for at, event in self.events[after:]:
                if event.get("Event") == name and all(agrees(event.get(k), v) for k, v in fields.items()):
                    return at, event
            return None

        async with asyncio.timeout(deadline_s), self._changed:
            await self._changed.wait_for(lambda: matching() is not None)
            found = matching()
            assert found is not None
            return found

    async def variable(self, channel: str, name: str) -> str:
        return (await self.action(Action="Getvar", Channel=channel, Variable=name)).get("Value", "")


@dataclass(frozen=True)
class Customer:
    """A Local channel that plays a recording into the dialplan: the light form of a caller."""

    channel: str
    uniqueid: str
    started: float

    @property
    def other(self) -> str:
        """The half that plays."""
        return self.channel[:-1] + "2"


async def call_in(
    probe: AmiProbe,
    extension: str,
    variables: Mapping[str, str] | None = None,
    *,
    context: str = "demo-in",
    recording: str = "speech",
    uniqueid: str | None = None,
) -> Customer:
    """A light customer enters the dialplan; answers when his channel exists."""
    uniqueid = uniqueid or f"light-{time.monotonic_ns()}"
    before, started = len(probe.events), time.monotonic()
    await probe.action(
        Action="Originate",
        Channel=f"Local/play-{recording}@demo-customer/n",
        Context=context,
        Exten=extension,
        Priority="1",
        ChannelId=uniqueid,
        OtherChannelId=f"{uniqueid}-player",
        CallerID="+4930123456",
        # Originate splits at commas and takes quotes away.
        Variable=[k + "=" + re.sub(r'([\\",])', r"\\\1", v) for k, v in (variables or {}).items()],
        Async="true",
    )
    at, event = await probe.event("Newchannel", after=before, Uniqueid=uniqueid)
    return Customer(event["Channel"], uniqueid, min(started, at))


async def hang_up(probe: AmiProbe, customer: Customer) -> None:
    before = len(probe.events)
    answer = await probe.action(Action="Hangup", Channel=customer.channel)
    if answer["Response"] == "Success":
        await probe.event("Hangup", after=before, Uniqueid=customer.uniqueid)


@dataclass
class StubAudio(StubServer):
    """An AudioSocket server that keeps what it hears and goes on as each test wants."""

    then: str = "listen"
    """After the first second of audio: listen on, end (0x00), cut (as a killed process), or mute."""
    uuid: str = ""
    audio: bytearray = field(default_factory=bytearray)
    sizes: set[int] = field(default_factory=set)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    enough_bytes: int = 16000

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        quiet = b"\x10\x01\x40" + bytes(320)
        try:
            while True:
                kind, size = await reader.readexactly(1), int.from_bytes(await reader.readexactly(2), "big")
                payload = await reader.readexactly(size)
                if kind == b"\x01":
                    self.uuid = str(UUID(bytes=payload))
                    writer.write(quiet)
                elif kind == b"\x10":
                    self.audio += payload
                    self.sizes.add(size)
                    if len(self.audio) % 6400 == 0 and self.then != "mute":
                        writer.write(quiet)
                    if len(self.audio) >= self.enough_bytes:
                        self.enough.set()
                    if len(self.audio) >= 16000 and self.then == "end":
                        writer.write(b"\x00\x00\x00")
                        return
                    if len(self.audio) >= 16000 and self.then == "cut":
                        writer.transport.abort()
                        return
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.closed.set()
            writer.close()
