"""A real call on a line whose callers are known: judged less their centre, and learnt from in its turn."""

from __future__ import annotations

import time
from pathlib import Path

import aiohttp
import pytest
from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.emotion import voice
from emocx_pbx.emotion.levels import caller_counts
from emocx_pbx.emotion.lines import ALL, DAY_S, LineCaller
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippCustomers
from emocx_pbx.store.database import Store

CALM = (0.05, 0.85, 0.05, 0.05)
CALLERS, DAYS = 66, 3
#: Of a place in the measurements of `voice`.
DIRECTIONS = 192


async def learnt(path: Path, model: str) -> None:
    """Callers of three days on the line of all calls."""
    caller = LineCaller(caller_sums([CALM]), caller_counts([CALM]), (0.0,) * DIRECTIONS)
    store = await Store.open(path)
    for number in range(CALLERS):
        at = time.time() + (number // (CALLERS // DAYS) - DAYS) * DAY_S
        await store.calls.start(f"earlier-{number}", at, None, f"+4930{number}", "care", None)
        await store.lines.learn(f"earlier-{number}", model, (ALL,), caller, at)
    await store.close()


async def centred_callers(path: Path, model: str) -> tuple[int, int]:
    """Callers ever learnt from, and the number of directions known of today's."""
    store = await Store.open(path)
    estimate = (await store.lines.all())[model][ALL]
    await store.close()
    return estimate.callers, len(estimate.today_places)


@pytest.mark.skipif(not voice.available(), reason="needs the extra voice")
async def test_a_call_on_a_known_line_is_judged_less_its_centre_and_teaches_it(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, ul: dict[str, Path], tmp_path: Path
) -> None:
    model = Registry().find("speech", "voice").card.title
    database = tmp_path / "emocx.db"
    await learnt(database, model)
    heard_by = {"analysis": {"transcriber": "off", "speech_model": "voice"}}
    hooks = [Hook(crm.url, crm.secret, EVENTS)]
    async with ServiceProcess(tmp_path, pbx, hooks, heard_by) as service:
        plan = CallPlan("route", customer="c-known-line", number="+491177")
        async with SippCustomers(pbx.sip_port, ul["customer"], [plan], hold_s=20) as customers:
            _, connected = await probe.event("AgentConnect", CallerIDNum="+491177")
            await customers.wait(35)
        call_id = connected["Uniqueid"]
        await crm.wait(lambda: crm.of("call.ended", call_id), 20)
        address = f"{service.url}/api/v1/calls/{call_id}"
        async with aiohttp.ClientSession() as session, session.get(address) as answer:
            readings = (await answer.json())["readings"]
    assert readings and {r["model"] for r in readings} == {model}
    assert all(r["line"]["line"] == ALL and r["line"]["centred"] for r in readings)
    assert await centred_callers(database, model) == (CALLERS + 1, 1 + DIRECTIONS)
