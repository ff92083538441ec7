"""Deeds that the web process asks for when it dies meanwhile, or asks for too late."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import Any

import msgspec
import pytest
from service.web_world import World

from emocx_pbx.deeds import deed
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.errors import SettingsError
from emocx_pbx.service.web_answers import WebAnswers
from emocx_pbx.service.web_host import WebHost
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.web.messages import Admitted, CallPlaced, DeedDone, DoDeed, Failed, FromWeb, MayDial, Ring
from emocx_pbx.webhooks.schedule import AttemptOutcome

ASKS_ONCE = """
import socket, sys
link = socket.socket(fileno=int(sys.argv[sys.argv.index("--fd") + 1]))
link.sendall(bytes.fromhex(sys.argv[1]))
while link.recv(65536):
    pass
"""


class Begun:
    """A step of a deed that is held until it is let go on."""

    def __init__(self) -> None:
        self.began, self.may_go_on = asyncio.Event(), asyncio.Event()

    async def step(self) -> None:
        self.began.set()
        await self.may_go_on.wait()


async def asked_by_one_that_dies(world: World, begun: Begun, host: WebHost) -> None:
    """The web process is killed once the deed that it asked for has begun."""
    running = asyncio.create_task(host.run(world.listening))
    async with asyncio.timeout(30):
        await begun.began.wait()
    assert host.pid is not None
    os.kill(host.pid, signal.SIGKILL)
    await running
    with pytest.raises(SettingsError, match="it ended"):
        await world.listening
    begun.may_go_on.set()


def one_that_asks(message: FromWeb) -> tuple[str, ...]:
    body = msgspec.msgpack.encode(message)
    return (sys.executable, "-c", ASKS_ONCE, (len(body).to_bytes(4, "big") + body).hex())


async def test_a_deed_that_has_begun_is_finished_if_the_process_dies(world: World) -> None:
    begun, by = Begun(), Actor("ann", "192.0.2.1")
    crm = WebhookSettings(name="crm", url="https://crm.example/", secret="whsec_" + "A" * 32)
    await world.store.receivers.add(crm, by)

    async def tested(name: str) -> AttemptOutcome:
        await begun.step()
        return AttemptOutcome(204)

    world.test = tested  # type: ignore[method-assign]
    asked = DoDeed(1, deed.TestReceiver("crm"), by)
    host = world.host(command=one_that_asks(asked))
    await asked_by_one_that_dies(world, begun, host)
    async with asyncio.timeout(10):
        await host._answers.settle()
    rows = await world.store.audit.rows(action="webhook.tested")
    assert [(row.subject, row.actor) for row in rows] == [("crm", "ann")]


async def test_a_call_that_is_being_placed_is_finished_if_the_process_dies(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, add = Begun(), world.store.audit.add

    async def slowly(*entry: Any) -> None:
        await add(*entry)
        await begun.step()

    monkeypatch.setattr(world.store.audit, "add", slowly)
    decision = Decision("d", 1.0, "ok", "support", "angry", 0.9, None)
    asked = Ring(1, CallToPlace("+4930123456", "emocx-call-1", decision), Actor("ann", "192.0.2.1"))
    host = world.host(command=one_that_asks(asked))
    assert host._behind.placing.admit("030 123456") == asked.call.number
    await asked_by_one_that_dies(world, begun, host)
    async with asyncio.timeout(10):
        await host._answers.settle()
    assert world.ami.actions[0][1]["ChannelId"] == "emocx-call-1"


@pytest.mark.parametrize("too_late", [False, True])
async def test_what_is_read_after_whoever_asked_gave_up_is_not_done(world: World, too_late: bool) -> None:
    by, at = Actor("ann", "192.0.2.1"), 1000.0
    crm = WebhookSettings(name="crm", url="https://crm.example/", secret="whsec_" + "A" * 32)
    await world.store.receivers.add(crm, by)
    answers = WebAnswers(world.behind(), lambda: at)
    until = at - 0.1 if too_late else at + 0.1
    number = await answers.answer(MayDial(1, "030 123456"))
    assert isinstance(number, Admitted)
    call = CallToPlace(number.number, "emocx-call-1", Decision("d", 1.0, "ok", "support", "angry", 0.9, None))
    answered = [
        await answers.answer(DoDeed(2, deed.TestReceiver("crm"), by, until)),
        await answers.answer(Ring(3, call, by, until)),
    ]
    done = {row.action for row in await world.store.audit.rows()} & {"webhook.tested", "call.placed"}
    if too_late:
        assert all(isinstance(answer, Failed) and "too late" in answer.why for answer in answered)
        assert done == set() and world.ami.actions == []
    else:
        assert [type(answer) for answer in answered] == [DeedDone, CallPlaced]
        assert len(done) == 2 and world.ami.actions
