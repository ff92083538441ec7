"""Real calls with the real service: the queue that the policy names, and the whole journey."""

from __future__ import annotations

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import numpy as np
from pbx_real.pbx_stubs import AmiProbe, call_in, hang_up

from emocx_pbx.demo.run import EVENTS, QUERIES
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippCustomers

#: What the demo's policy says, for QUERIES.
EXPECTED = (
    ("angry", "care", "10"),
    ("neutral", "support", ""),
    ("disappointed", "retention", "5"),
    ("happy", "sales", ""),
)


async def test_each_emotion_reaches_the_queue_of_the_policy(
    pbx: PrivateAsterisk, probe: AmiProbe, service: ServiceProcess, crm: Receiver, ul: dict[str, Path]
) -> None:
    calls = [
        CallPlan("route", query, customer=f"c-{n}", number=f"+4911{n}") for n, query in enumerate(QUERIES)
    ]
    async with SippCustomers(pbx.sip_port, ul["customer"], calls, hold_s=4) as customers:
        ids = []
        for n, (emotion, queue, priority) in enumerate(EXPECTED):
            _, event = await probe.event("AgentConnect", CallerIDNum=f"+4911{n}")
            ids.append(event["Uniqueid"])
            assert event["Queue"] == queue
            assert event["Interface"].startswith(f"PJSIP/agent-{queue}-")
            assert await probe.variable(event["Channel"], "EMOCX_EMOTION") == emotion
            assert await probe.variable(event["Channel"], "QUEUE_PRIO") == priority
        await customers.wait(10)
    for call_id in ids:
        await crm.wait(partial(crm.of, "call.ended", call_id), 20)


async def test_the_whole_journey_of_a_call(
    pbx: PrivateAsterisk, probe: AmiProbe, service: ServiceProcess, crm: Receiver, ul: dict[str, Path]
) -> None:
    plan = CallPlan("route", QUERIES[0], customer="c-journey", number="+491199")
    async with SippCustomers(pbx.sip_port, ul["customer"], [plan], hold_s=25) as customers:
        _, connected = await probe.event("AgentConnect", CallerIDNum="+491199")
        await customers.wait(40)
    call_id = connected["Uniqueid"]
    await crm.wait(lambda: crm.of("call.ended", call_id), 20)
    events = sorted((e for e in crm.events if e.call_id == call_id), key=lambda e: e.data["sequence"])
    assert [e.data["sequence"] for e in events] == list(range(1, len(events) + 1))
    kinds = [e.type for e in events]
    assert kinds[:2] == ["query.routed", "call.started"]
    assert kinds[-2:] == ["call.graded", "call.ended"]
    assert set(kinds[2:-2]) == {"call.reading"}
    readings = [e.data for e in events if e.type == "call.reading"]
    assert len(readings) >= 3
    assert [r["t1"] for r in readings] == sorted(r["t1"] for r in readings)
    grade = crm.of("call.graded", call_id)[0].data["grade"]
    assert grade["score"] is not None
    assert abs(sum(c["points"] for c in grade["contributions"]) - grade["score"]) < 0.05
    assert grade["facts"]["agent_s"] > 0


async def test_a_spoken_question_is_transcribed_and_decided(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path
) -> None:
    """The caller says "The service light came on already, and I know ..."."""
    spoken = recordings.load().customer[recordings.RATE : 5 * recordings.RATE]
    silence = np.zeros(60 * recordings.RATE, np.int16)
    recordings.write_mulaw(pbx.sounds / "question.ulaw", np.concatenate([spoken, silence]))
    keep = {"privacy": {"store_query_text": True}}
    async with ServiceProcess(tmp_path, pbx, [Hook(crm.url, crm.secret, EVENTS)], keep):
        # The answer is due a second after the question; a busy machine may miss that a few times.
        for _ in range(6):
            customer = await call_in(probe, "listen", recording="question")
            at, _joined = await probe.event("QueueCallerJoin", 20, Uniqueid=customer.uniqueid)
            assert at - customer.started < 4 + 0.8 + 5  # a busy machine starts late
            decision_id = await probe.variable(customer.channel, "EMOCX_DECISION")
            assert decision_id
            await hang_up(probe, customer)
            # Told by this service alone, in one transaction with the decision.
            await crm.wait(partial(crm.of, "query.routed", customer.uniqueid), 20)
            text = await asyncio.to_thread(_stored_text, tmp_path / "emocx.db", decision_id)
            if text is not None:
                break
    assert text is not None
    assert "service" in text.lower()
    assert crm.of("query.routed", customer.uniqueid)[0].data["source"] == "speech"


def _stored_text(database: Path, decision_id: str) -> str | None:
    connection = sqlite3.connect(database)
    try:
        query = "SELECT text FROM decision WHERE decision_id = ?"
        text: str | None = connection.execute(query, (decision_id,)).fetchone()[0]
        return text
    finally:
        connection.close()


BOX = """
[boxes]
exten => box,1,Answer()
 same => n,Queue(retention,,,,1)
 same => n,VoiceMail(100,s)
"""


async def test_a_caller_who_speaks_on_voicemail_after_a_queues_timeout_has_not_abandoned(
    pbx: PrivateAsterisk, probe: AmiProbe, service: ServiceProcess, crm: Receiver
) -> None:
    (pbx.directory / "etc/voicemail.conf").write_text("[general]\nformat=wav\n[default]\n100 => 1,Box\n")
    await pbx.cli("module load app_voicemail.so")
    await pbx.add_dialplan(BOX)
    members = [f"PJSIP/agent-retention-{number}" for number in (1, 2)]
    for member in members:
        await probe.action(Action="QueuePause", Queue="retention", Interface=member, Paused="true")
    try:
        customer = await call_in(probe, "box", context="boxes")
        await probe.event("QueueCallerLeave", Uniqueid=customer.uniqueid)
        # As long as a message is: the service asks where the caller is.
        await probe.action(Action="AbsoluteTimeout", Channel=customer.channel, Timeout="4")
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), 20)
    finally:
        for member in members:
            await probe.action(Action="QueuePause", Queue="retention", Interface=member, Paused="false")
    (ended,) = crm.of("call.ended", customer.uniqueid)
    assert (ended.data["disposition"], ended.data["reason"]) == ("voicemail", "hangup")
    assert [(v["queue"], v["left"]) for v in ended.data["visits"]] == [("retention", "timeout")]
