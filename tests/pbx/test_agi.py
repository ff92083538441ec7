"""The FastAGI server against a raw client in Asterisk's place."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from structlog.testing import capture_logs

from emocx_pbx.errors import ModelError
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.settings.settings import AgiSettings

OPENING = (
    b"agi_network: yes\nagi_network_script: route\nagi_request: agi://127.0.0.1/route\n"
    b"agi_channel: PJSIP/customer-00000001\nagi_uniqueid: 1700000000.1\nagi_arg_1: 5a\n\n"
)
NOTHING: dict[str, str] = {}


class Caller:
    """Asterisk's side of one request: answers commands from a table of variables."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.variables: dict[str, str] = {}
        self.commands: list[str] = []
        self.reply: Callable[[str], str | None] = self.usual

    def usual(self, command: str) -> str | None:
        if got := re.fullmatch(r'GET FULL VARIABLE "(.+)"', command):
            value = re.sub(r"\$\{([^}]+)\}", lambda name: self.variables.get(name[1], ""), got[1])
            return f"200 result=1 ({value})"
        if put := re.fullmatch(r'EXEC MSet "(.*)"', command):
            self.variables |= dict(pair.split("=", 1) for pair in put[1].split(","))
            return "200 result=0"
        return "510 Invalid or unknown command"

    async def play(self) -> dict[str, str]:
        """Answer until the server closes; the variables then."""
        async with asyncio.timeout(5):
            while raw := await self.reader.readline():
                self.commands.append(raw.decode().rstrip("\n"))
                reply = self.reply(self.commands[-1])
                if reply is not None:
                    self.writer.write(reply.encode() + b"\n")
        return self.variables


class Bench:
    def __init__(self) -> None:
        self.server: AgiServer
        self.counts: Counter[str] = Counter()
        self.requests: list[AgiRequest] = []
        self.entered, self.cancelled = asyncio.Event(), asyncio.Event()
        self.writers: list[asyncio.StreamWriter] = []

    async def connect(self) -> Caller:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        self.writers.append(writer)
        return Caller(reader, writer)

    async def call(self, opening: bytes = OPENING) -> Caller:
        caller = await self.connect()
        caller.writer.write(opening)
        return caller

    async def idle(self) -> None:
        """Wait until no request is going on."""
        async with asyncio.timeout(5):
            while self.server._tasks:
                await asyncio.wait(set(self.server._tasks))


Answer = Callable[[AgiRequest], Awaitable[Mapping[str, str]]]


@asynccontextmanager
async def bench(answer: Answer, deadline_s: float = 5.0, **more: Any) -> AsyncIterator[Bench]:
    it = Bench()

    async def handler(request: AgiRequest) -> Mapping[str, str]:
        it.requests.append(request)
        it.entered.set()
        try:
            return await answer(request)
        except asyncio.CancelledError:
            it.cancelled.set()
            raise

    count = it.counts.update
    it.server = AgiServer(
        AgiSettings(port=0, deadline_s=deadline_s), handler, count=lambda name: count([name]), **more
    )
    await it.server.start()
    try:
        yield it
    finally:
        async with asyncio.timeout(5):
            await it.server.stop()
        for writer in it.writers:
            writer.close()
        await asyncio.gather(*(writer.wait_closed() for writer in it.writers), return_exceptions=True)


async def for_ever(request: AgiRequest) -> Mapping[str, str]:
    await asyncio.Event().wait()
    return NOTHING


async def decide(request: AgiRequest) -> Mapping[str, str]:
    text = await request.get_variable("EMOCX_QUERY")
    return {"EMOCX_QUEUE": "vip" if "angry" in text else "support", "EMOCX_STATUS": "ok"}


async def test_a_request_reads_variables_and_sets_the_answer_in_order() -> None:
    async with bench(decide) as it:
        caller = await it.call()
        caller.variables["EMOCX_QUERY"] = 'very "angry" (really)\nHANGUP\n200 result=1 (x)'
        await caller.play()
        assert caller.variables["EMOCX_QUEUE"] == "vip"
        assert caller.commands[1:] == ['EXEC MSet "EMOCX_QUEUE=vip,EMOCX_STATUS=ok"']
        request = it.requests[0]
        assert (request.path, request.args, request.uniqueid) == ("/route", ("5a",), "1700000000.1")
        assert request.env["agi_channel"] == "PJSIP/customer-00000001"
        assert it.counts == {"agi_requests": 1}


async def test_the_exact_value_of_a_variable_is_read() -> None:
    values: list[str] = []

    async def read(request: AgiRequest) -> Mapping[str, str]:
        values.append(await request.get_variable("A"))
        values.append(await request.get_variable("UNSET"))
        return NOTHING

    async with bench(read) as it:
        caller = await it.call()
        caller.variables["A"] = "x)\n200 result=1 (y\n\nHANGUP"
        await caller.play()
        assert values == [caller.variables["A"], ""]


async def test_values_are_made_safe() -> None:
    async def nasty(request: AgiRequest) -> Mapping[str, str]:
        return {"EMOCX_TOPIC": 'a"\nEXEC System reboot', "EMOCX_QUEUE": "${SHELL(reboot)}"}

    async with bench(nasty) as it:
        caller = await it.call()
        with capture_logs() as lines:
            await caller.play()
        assert len(caller.commands) == 1
        assert caller.variables == {"EMOCX_TOPIC": "a__EXEC System reboot", "EMOCX_QUEUE": "__SHELL(reboot)_"}
        assert [line["name"] for line in lines] == ["EMOCX_TOPIC", "EMOCX_QUEUE"]
        assert "reboot" not in str(lines)


async def test_the_opening_may_come_in_any_pieces() -> None:
    async with bench(decide) as it:
        caller = await it.connect()
        for byte in OPENING:
            caller.writer.write(bytes([byte]))
            await caller.writer.drain()
        assert (await caller.play())["EMOCX_STATUS"] == "ok"


async def test_out_of_time_nothing_is_set_and_the_call_goes_on() -> None:
    async with bench(for_ever, deadline_s=0.1) as it:
        caller = await it.call()
        with capture_logs() as lines:
            assert await caller.play() == {}
        await it.idle()
        assert it.cancelled.is_set()
        assert it.counts == {"agi_requests": 1, "agi_late": 1}
        assert [line["log_level"] for line in lines] == ["warning"]


async def test_a_path_may_have_a_deadline_of_its_own() -> None:
    async with bench(for_ever, deadline_s=60.0, deadlines={"/route": 0.05}) as it:
        assert await (await it.call()).play() == {}
        await it.idle()
        assert it.counts["agi_late"] == 1


async def test_asterisk_that_stops_answering_does_not_hold_the_request() -> None:
    async with bench(decide, deadline_s=0.1) as it:
        caller = await it.call()
        caller.reply = lambda command: None
        assert await caller.play() == {}
        await it.idle()
        assert it.counts["agi_late"] == 1


@pytest.mark.parametrize("how", ["hangup line", "close", "reset"])
async def test_an_early_hangup_is_quiet_and_cancels_the_handler(how: str) -> None:
    async with bench(for_ever) as it:
        caller = await it.call()
        await it.entered.wait()
        with capture_logs() as lines:
            if how == "hangup line":
                caller.writer.write(b"HANGUP\n")
            elif how == "close":
                caller.writer.close()
            else:
                caller.writer.transport.abort()
            await it.idle()
        assert it.cancelled.is_set()
        assert [line["log_level"] for line in lines] == ["debug"]
        assert it.counts["agi_late"] == it.counts["agi_failed"] == 0


async def test_a_hangup_while_a_reply_is_awaited_is_quiet() -> None:
    async with bench(decide) as it:
        caller = await it.call()
        caller.reply = lambda command: "HANGUP"
        with capture_logs() as lines:
            await caller.play()
            await it.idle()
        assert [line["key"] for line in lines] == ["agi.hangup"]
        assert it.counts["agi_hangups"] == 1


@pytest.mark.parametrize("said", [b"", b"agi_network: yes\n", b"agi_netw"])
async def test_a_port_probe_is_quiet(said: bytes) -> None:
    async with bench(decide) as it:
        with capture_logs() as lines:
            caller = await it.call(said)
            caller.writer.write_eof()
            assert await caller.play() == {}
            await it.idle()
        assert not it.counts and not it.requests
        assert {line["log_level"] for line in lines} == {"debug"}


@pytest.mark.parametrize(
    "said",
    [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\n",
        b"agi_network: yes\n\n",
        b"agi_x: " + b"x" * 70_000 + b"\n",
        b"agi_x: y\n" * 300,
        b"agi_x: " + b"\xff\xfe\n" + b"junk\n",
    ],
    ids=["http", "empty", "no script", "long line", "many lines", "binary"],
)
async def test_what_is_no_agi_is_refused_with_one_line(said: bytes) -> None:
    async with bench(decide) as it:
        with capture_logs() as lines:
            caller = await it.call(said)
            with suppress(ConnectionResetError):  # when it was still talking
                assert await caller.play() == {}
            await it.idle()
        assert it.counts == {"agi_malformed": 1} and not it.requests
        assert [line["log_level"] for line in lines] == ["warning"]


async def test_a_slow_opening_is_cut_off_at_its_deadline() -> None:
    async with bench(decide, deadline_s=0.1) as it:
        caller = await it.call(OPENING[:60])
        assert await caller.play() == {}
        await it.idle()
        assert it.counts == {"agi_malformed": 1}


@pytest.mark.parametrize(
    "refusal", ["510 Invalid", "511 Command Not Permitted on a dead channel", "520-Usage\nSET x\n520 End"]
)
async def test_a_refused_command_ends_the_request_without_an_answer(refusal: str) -> None:
    async with bench(decide) as it:
        caller = await it.call()
        caller.reply = lambda command: refusal
        with capture_logs() as lines:
            assert await caller.play() == {}
        await it.idle()
        assert it.counts["agi_failed"] == 1
        assert len(lines) == 1 and refusal[:3] in lines[0]["why"]


@pytest.mark.parametrize("error", [ModelError("no model"), RuntimeError("boom")])
async def test_a_handler_that_fails_sets_nothing_and_harms_nobody(error: Exception) -> None:
    async def sometimes(request: AgiRequest) -> Mapping[str, str]:
        if len(it.requests) == 1:
            raise error
        return {"EMOCX_STATUS": "ok"}

    async with bench(sometimes) as it:
        assert await (await it.call()).play() == {}
        assert await (await it.call()).play() == {"EMOCX_STATUS": "ok"}
        assert it.counts == {"agi_requests": 2, "agi_failed": 1}


async def test_a_reply_given_up_is_not_taken_for_the_next_one() -> None:
    async def impatient(request: AgiRequest) -> Mapping[str, str]:
        try:
            async with asyncio.timeout(0.02):
                await request.get_variable("FIRST")
        except TimeoutError:
            gave_up.set()
        return {"SECOND": await request.get_variable("SECOND")}

    gave_up = asyncio.Event()
    async with bench(impatient) as it:
        caller = await it.call()
        caller.variables = {"FIRST": "1", "SECOND": "2"}
        first = (await caller.reader.readline()).decode().rstrip("\n")
        await gave_up.wait()
        caller.writer.write(f"{caller.usual(first)}\n".encode())
        await caller.play()
        assert caller.commands[-1] == 'EXEC MSet "SECOND=2"'


async def test_more_requests_than_allowed_go_on_with_their_defaults() -> None:
    async with bench(for_ever, max_requests=1) as it:
        await it.call()
        await it.entered.wait()
        assert await (await it.connect()).play() == {}
        assert it.counts["agi_crowded"] == 1


async def test_stop_lets_every_call_go_on() -> None:
    async with bench(for_ever) as it:
        callers = [await it.call() for _ in range(3)]
        async with asyncio.timeout(5):
            while len(it.requests) < 3:
                it.entered.clear()
                await it.entered.wait()
            await it.server.stop()
        assert [await caller.play() for caller in callers] == [{}] * 3
