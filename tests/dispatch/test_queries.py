"""Queries: every one gets a decision, in time, whatever the workers do."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from fixed_grounds import FixedPolicy, NoLines, grounds, routing

from emocx_pbx.analysis.any_worker import AnyWorker
from emocx_pbx.analysis.messages import AnnounceListen, AnnounceTap, ListenResult, Ready, TextResult
from emocx_pbx.dispatch.asked import DecidedQuery
from emocx_pbx.dispatch.queries import Caller, Queries, attributes_of, channel_variables
from emocx_pbx.domain import Decision
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.routing.policy import Policy, Rule

POLICY = Policy(rules=(Rule(name="angry", emotion=("angry",), queue="care", priority=10),))
ANGRY = (0.9, 0.05, 0.05, 0.0)

UUID = "5a0f1f9e-0000-4000-8000-000000000001"


class Worker:
    """A worker that takes what it is sent."""

    address = "10.0.0.7:9092"

    def __init__(self, speech_model: str | None = "voice/1") -> None:
        self.sent: list[AnnounceTap | AnnounceListen] = []
        self.ready = Ready(9092, speech_model, "lstm/1", None)

    async def announce(self, message: AnnounceTap | AnnounceListen) -> None:
        self.sent.append(message)


class Pool:
    """A pool whose answer is given beforehand; None: it is not there."""

    def __init__(self, probabilities: tuple[float, float, float, float] | None = ANGRY) -> None:
        self.worker = Worker()
        self.probabilities = probabilities

    async def classify_text(self, text: str, deadline_s: float) -> TextResult:
        if self.probabilities is None:
            raise PeerUnavailable("no worker is ready")
        return TextResult("r", self.probabilities, 0.5)

    def pick(self, pbx: str = "", *, waits: bool = False) -> AnyWorker:
        if self.probabilities is None:
            raise PeerUnavailable("no worker is ready")
        return cast(AnyWorker, self.worker)


def queries(pool: Pool, recorded: list[DecidedQuery] | None = None, deadline_s: float = 0.05) -> Queries:
    record = (recorded if recorded is not None else []).append
    decided_on = grounds(FixedPolicy(POLICY), deadline_s=deadline_s)
    return Queries(pool, decided_on, NoLines(), record, lambda _: None)


async def test_an_angry_text_goes_where_the_policy_says() -> None:
    recorded: list[DecidedQuery] = []
    caller = Caller("1.1", "crm-7", "support")
    decision = await queries(Pool(), recorded).by_text("I have been charged twice!", caller)
    assert (decision.status, decision.queue, decision.priority) == ("ok", "care", 10)
    assert recorded[0].decision is decision
    assert channel_variables(decision)["QUEUE_PRIO"] == "10"


async def test_one_question_that_two_controllers_decide_is_one_decision() -> None:
    caller = Caller("1.1", question="0f" * 16)
    one, other = [
        await queries(pool).by_text("I have been charged twice!", caller) for pool in (Pool(), Pool(None))
    ]
    assert one.decision_id == other.decision_id == f"dec_{'0f' * 16}"
    assert (one.status, other.status) == ("ok", "timeout")


async def test_without_workers_the_default_stands() -> None:
    decision = await queries(Pool(None)).by_text("hello", Caller(default_queue="support"))
    assert (decision.status, decision.queue) == ("timeout", "support")
    assert "QUEUE_PRIO" not in channel_variables(decision)


async def test_opting_out_asks_no_model() -> None:
    caller = Caller(default_queue="support", opted_out=True)
    decision = await queries(Pool(None)).by_text("hello", caller)
    assert (decision.status, decision.queue, decision.probabilities) == ("optout", "support", None)


async def test_speech_is_announced_heard_and_decided() -> None:
    pool = Pool()
    door = queries(pool, deadline_s=5)
    assert await door.listen(UUID, "1.1") == "10.0.0.7:9092"
    assert pool.worker.sent[0].uuid == UUID
    deciding = asyncio.create_task(door.by_speech(UUID, Caller("1.1", default_queue="support")))
    door.on_listened(ListenResult(UUID, "1.1", "utterance", "this is a scandal", ANGRY, 0.5, ANGRY, ANGRY))
    assert (await deciding).queue == "care"


async def test_speech_that_is_never_heard_ends_at_the_deadline() -> None:
    door = queries(Pool())
    await door.listen(UUID, "1.1")
    decision = await door.by_speech(UUID, Caller("1.1", default_queue="support"))
    assert (decision.status, decision.queue) == ("timeout", "support")
    with pytest.raises(PeerUnavailable):
        await queries(Pool(None)).listen("u2", "1.2")


async def test_nobody_is_listened_to_without_a_model_for_it() -> None:
    pool = Pool()
    pool.worker = Worker(speech_model=None)
    with pytest.raises(PeerUnavailable):
        await queries(pool).listen(UUID, "1.1")
    assert not pool.worker.sent


def test_a_decision_without_levers_leaves_them_alone() -> None:
    decision = Decision("d", 0.0, "default", "support", "uncertain", 0.0, None)
    assert not any(name.startswith("QUEUE_") for name in channel_variables(decision))


def test_attributes_come_as_urls_write_them() -> None:
    assert attributes_of("plan=gold&city=K%C3%B6ln&note=") == {"plan": "gold", "city": "Köln", "note": ""}
    assert attributes_of("") == {}
    assert attributes_of("nonsense") == {"nonsense": ""}
    assert len(attributes_of("&".join(f"a{n}=1" for n in range(1000)))) == 20


async def test_the_language_goes_with_the_decision() -> None:
    class German(Pool):
        async def classify_text(self, text: str, deadline_s: float) -> TextResult:
            return TextResult("r", (0.24, 0.3, 0.24, 0.22), 0.51, language="de", foreign=True)

    decision = await queries(German()).by_text("Das ist eine Frechheit", Caller(default_queue="support"))
    assert (decision.emotion, decision.language) == ("uncertain", "de")
    assert "language: de" in decision.reasons[0]
    assert channel_variables(decision)["EMOCX_LANGUAGE"] == "de"
    unsure = Decision("d", 0.0, "default", "support", "uncertain", 0.0, None)
    assert channel_variables(unsure)["EMOCX_LANGUAGE"] == ""
    assert channel_variables(unsure)["EMOCX_UPSET"] == ""


async def test_upset_goes_with_the_decision_and_is_held_against_the_sites_threshold() -> None:
    policy = FixedPolicy(Policy(rules=(Rule(name="upset", upset=True, priority=5),)))
    pool, in_force = Pool((0.3, 0.4, 0.2, 0.1)), routing(upset_threshold=0.6)
    door = Queries(pool, grounds(policy, in_force=in_force), NoLines(), lambda _: None, lambda _: None)
    decision = await door.by_text("hm", Caller(default_queue="support"))
    assert (decision.upset, decision.rule) == (0.5, None)
    assert channel_variables(decision)["EMOCX_UPSET"] == "0.500"
    in_force.put(routing(upset_threshold=0.5).settings)
    assert (await door.by_text("hm", Caller(default_queue="support"))).rule == "upset"


async def test_words_in_a_foreign_language_leave_the_voice() -> None:
    door = queries(Pool(), deadline_s=5)
    await door.listen(UUID, "1.1")
    deciding = asyncio.create_task(door.by_speech(UUID, Caller("1.1", default_queue="support")))
    door.on_listened(
        ListenResult(UUID, "1.1", "utterance", "das ist eine Frechheit", ANGRY, 0.5, ANGRY, None,
                     language="de", foreign=True)
    )  # fmt: skip
    decision = await deciding
    assert (decision.emotion, decision.language) == ("angry", "de")
    assert "the words do not count (language: de" in decision.reasons[0]
