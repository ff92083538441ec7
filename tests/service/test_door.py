"""The door on a PBX, between a raw client in Asterisk's place and controllers over a real NATS server."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import msgspec
import pytest
from service.asked_door import AskedDoor
from wire.nats_helpers import DEADLINE_S, connected

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.dispatch.door_messages import AnsweredToDoor, AskedAtDoor
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.nats import PrivateNats

ASKED = msgspec.msgpack.Decoder(AskedAtDoor)
Controller = Callable[[AskedAtDoor], Awaitable[AnsweredToDoor]]
Begin = Callable[..., Awaitable[None]]


@pytest.fixture
async def door(server: PrivateNats, closing: AsyncExitStack) -> AskedDoor:
    return await AskedDoor(server.url).start(closing)


@pytest.fixture
def controller(server: PrivateNats, closing: AsyncExitStack) -> Begin:
    async def begin(name: str, answer: Controller | None = None, pbx: str | None = "") -> None:
        async def by_name(asked: AskedAtDoor) -> AnsweredToDoor:
            return AnsweredToDoor({"EMOCX_QUEUE": f"by {name}", "EMOCX_STATUS": "ok"}, name)

        bus = await connected(server.url)
        closing.push_async_callback(bus.close)
        handle = answer or by_name
        if pbx is not None:
            await bus.answer(subjects.decide(pbx), ASKED, handle)
        await bus.answer(subjects.DECIDE, ASKED, handle, queue=subjects.DECIDERS)
        await bus.answer(subjects.spoken_answers(name), ASKED, handle)

    return begin


async def test_the_controller_that_acts_for_the_pbx_decides(door: AskedDoor, controller: Begin) -> None:
    async def decide(asked: AskedAtDoor) -> AnsweredToDoor:
        said = asked.variables["EMOCX_QUERY"]
        return AnsweredToDoor({"EMOCX_QUEUE": said, "EMOCX_STATUS": "ok"}, "berlin-1")

    await controller("other", pbx="munich")
    await controller("berlin-1", decide, pbx="berlin")
    got = await door.ask("route?pbx=berlin", EMOCX_QUERY="where to?")
    assert (got["EMOCX_QUEUE"], got["EMOCX_STATUS"]) == ("where to?", "ok")
    assert list(got)[-1] == "EMOCX_STATUS"


async def test_without_a_controller_the_dialplan_goes_on_at_once(door: AskedDoor) -> None:
    assert "EMOCX_STATUS" not in await door.ask()


@pytest.mark.parametrize("how", ["kill", "never"])
async def test_without_nats_the_dialplan_goes_on_at_once(
    server: PrivateNats, closing: AsyncExitStack, how: str
) -> None:
    door = AskedDoor(server.url)
    await door.server.start()
    closing.push_async_callback(door.server.stop)
    closing.push_async_callback(door.bus.close)
    if how == "kill":
        assert await door.bus.start(DEADLINE_S)
    server.kill()
    if how == "never":
        assert not await door.bus.start(0.05)
    assert "EMOCX_STATUS" not in await door.ask()


async def test_if_the_acting_controller_is_silent_another_decides(door: AskedDoor, controller: Begin) -> None:
    async def never(asked: AskedAtDoor) -> AnsweredToDoor:
        await asyncio.Event().wait()
        raise AssertionError

    bus = door.bus
    await bus.answer(subjects.decide(""), ASKED, never)  # frozen: takes requests and says nothing
    await controller("standby", pbx=None)
    assert (await door.ask())["EMOCX_QUEUE"] == "by standby"


async def test_if_the_acting_controller_would_not_another_decides(door: AskedDoor, controller: Begin) -> None:
    async def busy(asked: AskedAtDoor) -> AnsweredToDoor:
        raise PeerUnavailable("too much is going on")

    await door.bus.answer(subjects.decide(""), ASKED, busy)
    await controller("standby", pbx=None)
    assert (await door.ask())["EMOCX_QUEUE"] == "by standby"


async def test_whoever_else_is_asked_is_asked_the_same_question(door: AskedDoor, controller: Begin) -> None:
    """So that what two controllers decide on it is recorded, and sent, once."""
    asked_of: list[str] = []

    async def silent(asked: AskedAtDoor) -> AnsweredToDoor:
        asked_of.append(asked.question)
        await asyncio.Event().wait()
        raise AssertionError

    async def decides(asked: AskedAtDoor) -> AnsweredToDoor:
        asked_of.append(asked.question)
        return AnsweredToDoor({"EMOCX_QUEUE": "support", "EMOCX_STATUS": "ok"}, "standby")

    await door.bus.answer(subjects.decide(""), ASKED, silent)
    await controller("standby", decides, pbx=None)
    await door.ask()
    await door.ask()
    first, first_again, second, second_again = asked_of
    assert first == first_again and second == second_again and first != second
    assert re.fullmatch("[0-9a-f]{32}", first)


async def test_what_a_caller_said_is_decided_by_whoever_was_told_of_the_question(
    door: AskedDoor, controller: Begin
) -> None:
    uuid = "5a0f1f9e-0000-4000-8000-000000000001"
    for name in ("c1", "c2"):
        await controller(name, pbx=None)
    listening = await door.ask("listen", uuid)
    by = listening["EMOCX_BY"]
    assert by in {"c1", "c2"} and listening["EMOCX_QUEUE"] == f"by {by}"
    for _ in range(8):  # never the other one's
        assert (await door.ask("heard", uuid, EMOCX_BY=by))["EMOCX_QUEUE"] == f"by {by}"
    assert "EMOCX_STATUS" not in await door.ask("heard", uuid, EMOCX_BY="gone")
    assert "EMOCX_STATUS" not in await door.ask("heard", uuid, EMOCX_BY="a.> b")


@pytest.mark.parametrize("pbx", ["*", "a.b", "%3E", "berlin%20x"])
async def test_a_pbx_whose_name_is_none_asks_nobody(door: AskedDoor, controller: Begin, pbx: str) -> None:
    await controller("c1")
    assert "EMOCX_STATUS" not in await door.ask(f"route?pbx={pbx}")


def test_the_door_loads_nothing_heavy() -> None:
    code = "import emocx_pbx.service.door, emocx_pbx.wire.bus, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    # (aiohttp comes with nats-py, where it is installed.)
    heavy = {"numpy", "scipy", "aiosqlite", "sqlite3", "asyncpg", "onnxruntime", "jinja2", "panoramisk"}
    assert not heavy & set(done.stdout.split())


def test_one_host_loads_no_nats() -> None:
    code = "import emocx_pbx.service.run, emocx_pbx.analysis.worker.life, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not {"nats", "nkeys"} & set(done.stdout.split())
