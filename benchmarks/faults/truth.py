"""A manager connection of the run's own, beside the service's: makes calls, ends them, sees what is true."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import time
from collections.abc import Mapping
from typing import Final

from benchmarks.faults.callers import Callers
from emocx_pbx.errors import PeerUnavailable

#: Calls, bridges and queues; without variables and RTCP, which are most of what there is.
EVENTS: Final = "call,agent,system"
ACTION_S: Final = 10.0
AGAIN_S: Final = 0.2

Message = dict[str, str]


class Truth:
    """Reads every event from Asterisk; connects again when Asterisk was restarted by `asterisk-killed`."""

    def __init__(self, port: int, secret: str, host: str = "127.0.0.1") -> None:
        self.callers = Callers()
        self.problems: list[str] = []
        """Losses of the connection that nobody foresaw: what they hid is not known."""
        self._host, self._port, self._secret = host, port, secret
        self._writer: asyncio.StreamWriter | None = None
        self._answers: dict[str, asyncio.Future[Message]] = {}
        self._numbers = itertools.count(1)
        self._connected = asyncio.Event()
        self._dies = False

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            with contextlib.suppress(OSError, PeerUnavailable):
                await self._read_one_connection()
            await asyncio.sleep(AGAIN_S)

    async def connected(self, deadline_s: float = 60.0) -> None:
        """Until there is a connection.

        Raises:
            TimeoutError: there is none in time.
        """
        async with asyncio.timeout(deadline_s):
            await self._connected.wait()

    def asterisk_will_die(self) -> None:
        """The next loss of the connection is Asterisk's end."""
        self._dies = True

    async def call(self, call_id: str, query: str, customer: str, opted_out: bool) -> None:
        """Let a caller come, who plays a recording into extension `route`.

        Raises:
            PeerUnavailable: Asterisk can't be told.
        """
        self.callers.expect(call_id, opted_out)
        variables = {
            "EMOCX_QUERY": query,
            "EMOCX_CUSTOMER": customer,
            "EMOCX_OPTOUT": "1" if opted_out else "",
        }
        await self.action(
            Action="Originate",
            Channel="Local/play-speech@demo-customer/n",
            Context="demo-in",
            Exten="route",
            Priority="1",
            ChannelId=call_id,
            OtherChannelId=f"{call_id}-player",
            CallerID="+4930123456",
            # Originate splits at commas and takes quotes away.
            Variable=[k + "=" + re.sub(r'([\\",])', r"\\\1", v) for k, v in variables.items()],
            Async="true",
        )

    async def hang_up(self, channel: str) -> None:
        """End a channel; nothing happens if it is gone.

        Raises:
            PeerUnavailable: Asterisk can't be told.
        """
        await self.action(Action="Hangup", Channel=channel)

    async def action(self, **fields: str | list[str]) -> Message:
        """Send an action and await its response.

        Raises:
            PeerUnavailable: there is no connection, or no answer.
        """
        if self._writer is None:
            raise PeerUnavailable("no connection to Asterisk")
        action_id = f"truth-{next(self._numbers)}"
        lines = [f"ActionID: {action_id}"]
        for name, value in fields.items():
            lines += [f"{name}: {one}" for one in ([value] if isinstance(value, str) else value)]
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._answers[action_id] = future
        self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode())
        try:
            async with asyncio.timeout(ACTION_S):
                return await future
        except TimeoutError:
            raise PeerUnavailable(f"no answer to {fields['Action']}") from None
        finally:
            self._answers.pop(action_id, None)

    async def _read_one_connection(self) -> None:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        logging_in: asyncio.Task[None] | None = None
        try:
            await reader.readline()
            self._writer = writer
            logging_in = asyncio.create_task(self._log_in())
            while message := await _message(reader):
                self._take(message)
        finally:
            self._writer = None
            if logging_in is not None:
                logging_in.cancel()
            self._lost()
            writer.close()

    async def _log_in(self) -> None:
        with contextlib.suppress(PeerUnavailable):
            await self.action(Action="Login", Username="demo", Secret=self._secret, Events=EVENTS)
            self._connected.set()

    def _lost(self) -> None:
        for future in self._answers.values():
            if not future.done():
                future.set_exception(PeerUnavailable("the connection to Asterisk is lost"))
        was_connected = self._connected.is_set()
        self._connected.clear()
        if self._dies:
            self._dies = False
            self.callers.asterisk_died(time.time())
        elif was_connected:
            self.problems.append("the truth's own connection to Asterisk was lost")

    def _take(self, message: Mapping[str, str]) -> None:
        if "Event" in message:
            self.callers.take(message, float(message.get("Timestamp") or time.time()))
        elif (future := self._answers.get(message.get("ActionID", ""))) and not future.done():
            future.set_result(dict(message))


async def _message(reader: asyncio.StreamReader) -> Message:
    """The next message; empty at the connection's end."""
    message: Message = {}
    while True:
        line = await reader.readline()
        if not line:
            return {}
        text = line.decode(errors="replace").strip()
        if text:
            name, _, value = text.partition(":")
            message[name] = value.strip()
        elif message:
            return message
