"""Alerts on real calls: speech whose valence falls raises one alert per episode, heard by all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import numpy as np
import pytest_asyncio
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.analysis.windows import CallSegmenter
from emocx_pbx.demo.run import EVENTS
from emocx_pbx.domain import Span
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import POLICY, Hook, ServiceProcess
from emocx_pbx.settings.settings import AnalysisSettings

RULE = '[[alerts]]\nname = "cooler"\nwhen = "falling"\nfor_s = 5\nby = 0.4\nclear_by = 0.2\ncooldown_s = 1\n'


def without_pauses(side: recordings.Samples, seconds: float) -> recordings.Samples:
    """What is said in a recording, utterance after utterance."""
    segmenter = CallSegmenter(AnalysisSettings())
    found = [*segmenter.feed(side, np.zeros_like(side)), *segmenter.finish()]
    spans = [item for item in found if isinstance(item, Span) and item.side == "customer"]
    pause = np.zeros(recordings.RATE // 2, np.int16)
    parts = [p for s in spans for p in (side[int(s.t0 * 8000) : int(s.t1 * 8000)], pause)]
    return np.concatenate(parts)[: int(seconds * recordings.RATE)]


def said_again(side: recordings.Samples) -> recordings.Samples:
    """The same words, 3 % faster."""
    at = np.arange(0, side.size - 1, 1.03)
    faster: recordings.Samples = np.interp(at, np.arange(side.size), side).astype(np.int16)
    return faster


@pytest_asyncio.fixture(loop_scope="session")
async def quiet_agent(pbx: PrivateAsterisk, probe: AmiProbe) -> AsyncIterator[str]:
    """The only agent of queue retention, who says nothing: what is read is the customer's alone."""
    recordings.write_mulaw(pbx.sounds / "quiet.ulaw", np.zeros(recordings.RATE * 60, np.int16))
    member, usual = "Local/play-quiet@demo-customer/n", ("PJSIP/agent-retention-1", "PJSIP/agent-retention-2")
    for interface in usual:
        await probe.action(Action="QueuePause", Queue="retention", Interface=interface, Paused="true")
    await probe.action(Action="QueueAdd", Queue="retention", Interface=member, MemberName="Rita")
    yield "Rita"
    await probe.action(Action="QueueRemove", Queue="retention", Interface=member)
    for interface in usual:
        await probe.action(Action="QueuePause", Queue="retention", Interface=interface, Paused="false")


@pytest_asyncio.fixture(loop_scope="session")
async def alone() -> AsyncIterator[Receiver]:
    """A receiver of this service alone: another one beside it tells of the same calls."""
    async with Receiver() as receiver:
        yield receiver


async def test_one_alert_per_episode(
    pbx: PrivateAsterisk, probe: AmiProbe, alone: Receiver, quiet_agent: str, tmp_path: Path
) -> None:
    """In the shipped call `mlp` reads the agent's bright speech as happier than the customer's."""
    call = recordings.load(Path(__file__).parents[1] / "data/audio/call_customer.flac")
    other = recordings.load(Path(__file__).parents[1] / "data/audio/call_agent.flac")
    plain = without_pauses(call.customer, 12)
    bright = without_pauses(other.customer, 10)
    # The tap is there a moment after the call: nothing of the speech is to be missed.
    lead, rest = (np.zeros(recordings.RATE * seconds, np.int16) for seconds in (2, 60))
    # Nobody says the same twice to the sample: what does is a machine, and not read.
    again = [said_again(side) for side in (bright, plain)]
    course = np.concatenate([lead, bright, plain, *again, rest])  # (n,)
    recordings.write_mulaw(pbx.sounds / "episodes.ulaw", course)
    (tmp_path / "policy.toml").write_text(POLICY.read_text() + RULE)
    hook = Hook(alone.url, alone.secret, (*EVENTS, "call.alert"))
    light = {"analysis": {"transcriber": "off", "speech_model": "mlp"}}
    async with ServiceProcess(tmp_path, pbx, [hook], light, tmp_path / "policy.toml") as service:
        customer = await call_in(probe, "queue-retention", recording="episodes")
        after = len(probe.events)
        for state in ("raised", "cleared", "raised"):
            _, event = await probe.event(
                "UserEvent", 60, after=after, UserEvent="EmocxAlert", CallId=customer.uniqueid, State=state
            )
            after = 1 + next(i for i, (_, e) in enumerate(probe.events) if e is event)
        await hang_up(probe, customer)
        await alone.wait(lambda: alone.of("call.ended", customer.uniqueid), 20)
        observed = [e for _, e in probe.events if e.get("CallId") == customer.uniqueid]
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{service.url}/api/v1/calls/{customer.uniqueid}") as answer:
                stored = (await answer.json())["alerts"]
            async with session.get(f"{service.url}/metrics") as answer:
                metrics = await answer.text()
    assert [event["State"] for event in observed] == ["raised", "cleared", "raised", "cleared"]
    assert [event.get("Reason") for event in observed] == [None, "recovered", None, "ended"]
    assert (observed[0]["Agent"], observed[0]["Queue"]) == (quiet_agent, "retention")
    assert observed[0]["Rule"] == "cooler"
    assert observed[0]["Message"].startswith("The valence of signals")
    # The plain speech begins within 13 s of the call, and lasts for 12 s.
    assert float(observed[0]["From"]) < float(observed[0]["To"]) < 28
    alerts = alone.of("call.alert", customer.uniqueid)
    assert [a.data["state"] for a in sorted(alerts, key=lambda a: a.data["sequence"])] == [
        event["State"] for event in observed
    ]
    assert len({a.data["episode"] for a in alerts}) == 2
    ended = alone.of("call.ended", customer.uniqueid)[0].data["sequence"]
    assert all(a.data["sequence"] < ended for a in alerts)
    assert [a["clear_reason"] for a in stored] == ["recovered", "ended"]
    assert 'emocx_alerts_total{rule="cooler"} 2.0' in metrics
    assert "emocx_user_events_lost_total 0.0" in metrics
