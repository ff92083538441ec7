"""What benchmarks.faults is made of: callers by events, the plan, the proxy, and processes."""

from __future__ import annotations

import asyncio
import os
import random
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from benchmarks.faults import processes
from benchmarks.faults.callers import Callers
from benchmarks.faults.faults import FAULTS, NAMES
from benchmarks.faults.plan import chosen, plan
from benchmarks.faults.proxy import Proxy
from emocx_pbx.errors import SettingsError


def fed(*events: dict[str, str]) -> Callers:
    """Callers of a truth that expects `c1` and got these events, one a second from 1."""
    callers = Callers()
    callers.expect("c1", opted_out=False)
    for at, event in enumerate(events, 1):
        callers.take(event, float(at))
    return callers


ARRIVED = {"Event": "Newchannel", "Uniqueid": "c1", "Channel": "Local/a;1"}
JOINED = {"Event": "QueueCallerJoin", "Uniqueid": "c1"}
CONNECTED = {
    "Event": "AgentConnect",
    "Uniqueid": "c1",
    "MemberName": "Ada",
    "DestUniqueid": "leg",
    "DestChannel": "PJSIP/ada-1",
}


def test_a_caller_from_arrival_to_end() -> None:
    callers = fed(ARRIVED, JOINED, CONNECTED, {"Event": "BridgeLeave", "Uniqueid": "leg"})
    (caller,) = callers.going_on
    assert (caller.arrived, caller.joined, caller.ended) == (1.0, 2.0, None)
    (talk,) = caller.talks
    assert (talk.agent, talk.channel, talk.began, talk.ended) == ("Ada", "PJSIP/ada-1", 3.0, 4.0)
    callers.take({"Event": "Hangup", "Uniqueid": "c1"}, 5.0)
    assert (caller.ended, caller.died, talk.ended) == (5.0, False, 4.0)
    assert not callers.going_on


def test_strangers_are_no_callers() -> None:
    stranger = {"Event": "Newchannel", "Uniqueid": "c1-player", "Channel": "Local/a;2"}
    assert fed(stranger, {**JOINED, "Uniqueid": "c1-player"}).all == ()


def test_calls_end_with_asterisk() -> None:
    callers = fed(ARRIVED, JOINED, CONNECTED)
    callers.asterisk_died(9.0)
    (caller,) = callers.all
    assert (caller.ended, caller.died, caller.talks[0].ended) == (9.0, True, 9.0)


def test_every_fault_strikes_as_often_as_told_and_restarts_come_last() -> None:
    strikes = plan(FAULTS, 2, 1200, random.Random(7))
    assert sorted(strike.fault.name for strike in strikes) == sorted(NAMES * 2)
    assert all([s.number for s in strikes if s.fault is fault] == [0, 1] for fault in FAULTS)
    lives = [strike.fault.controller_lives for strike in strikes]
    assert lives == sorted(lives, reverse=True)
    assert all(strike.pause_s >= 5 for strike in strikes)
    assert plan(FAULTS, 2, 1200, random.Random(7)) == strikes
    assert plan(FAULTS, 2, 1200, random.Random(8)) != strikes


def test_a_longer_run_has_longer_pauses() -> None:
    faults = chosen(["link-cut", "garbage"])
    strikes = plan(faults, 1, 212, random.Random(1))
    assert all(50 <= strike.pause_s <= 150 for strike in strikes)


def test_an_unknown_fault_is_named() -> None:
    assert chosen([]) == FAULTS
    with pytest.raises(SettingsError, match="no fault is called earthquake"):
        chosen(["garbage", "earthquake"])


def test_the_documentation_has_a_row_for_every_fault() -> None:
    lines = (Path(__file__).parents[2] / "docs/reliability.md").read_text(encoding="utf-8").splitlines()
    rows = [line.split("|")[1].strip() for line in lines if line.startswith("| ")]
    assert set(NAMES) <= set(rows)


@pytest_asyncio.fixture
async def echo() -> AsyncIterator[int]:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def said(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: bytes) -> bytes:
    """The echo; nothing when the connection is gone."""
    try:
        writer.write(line)
        async with asyncio.timeout(5):
            return await reader.readline()
    except ConnectionError:
        return b""


async def test_the_proxy_passes_on_and_cuts(echo: int) -> None:
    async with Proxy(echo) as proxy:
        link = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said(*link, b"hello\n") == b"hello\n"
        with proxy.refusing():
            assert await said(*link, b"hello\n") == b""
            other = await asyncio.open_connection("127.0.0.1", proxy.port)
            assert await said(*other, b"hello\n") == b""
        again = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said(*again, b"back\n") == b"back\n"
        for _, writer in (link, other, again):
            writer.close()


async def test_the_proxy_swallows(echo: int) -> None:
    async with Proxy(echo) as proxy:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        assert await said(reader, writer, b"hello\n") == b"hello\n"
        with proxy.swallowing():
            other_reader, other = await asyncio.open_connection("127.0.0.1", proxy.port)
            for one in (writer, other):
                one.write(b"lost\n")
            answers = [asyncio.create_task(r.read(1)) for r in (reader, other_reader)]
            done, _ = await asyncio.wait(answers, timeout=0.2)
            assert not done
        # It ends with the connections, not with what was swallowed.
        for outcome in await asyncio.gather(*answers, return_exceptions=True):
            assert outcome == b"" or isinstance(outcome, ConnectionError)
        for one in (writer, other):
            one.close()


def test_processes_of_our_own_are_found() -> None:
    assert os.getpid() in processes.of_group(os.getpgrp())
    measured = processes.usage(os.getpid())
    assert measured.controller_mib > 5
    assert measured.controller_fds > 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert server.getsockname()[1] in processes.ports([os.getpid()])
    assert processes.ports([]) == []
