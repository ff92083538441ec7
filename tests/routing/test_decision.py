"""Decisions follow the policy, leave calls alone when they must, and say why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Scores
from emocx_pbx.routing.decision import (
    EQUALS,
    QueryFacts,
    QueueState,
    RuleOutcome,
    decide,
    explain,
    in_holdout,
    unmet,
)
from emocx_pbx.routing.policy import Policy, Rule

ANGRY = Scores((0.8, 0.1, 0.06, 0.04), threshold=0.4)
UNSURE = Scores((0.35, 0.3, 0.2, 0.15), threshold=0.4)
#: A Tuesday, 12:00 UTC.
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()

FIRST = Rule(name="first", emotion=("angry",), queue="vip", priority=10, tier=1, announcement="hello")
POLICY = Policy(rules=(FIRST, Rule(name="second", emotion=("angry", "uncertain"), priority=2)))
QUERY = QueryFacts(ANGRY, default_queue="support", customer_key="c-1")


def fires(query: QueryFacts = QUERY, at: float = NOON, zone: str = "UTC", **conditions: Any) -> bool:
    queues = {"support": QueueState(waiting=3, longest_wait_s=40, available=1)}
    policy = Policy(rules=(Rule(name="r", **conditions),), timezone=zone)
    return decide(query, policy, decision_id="d", at=at, queues=queues).rule == "r"


def test_the_first_rule_that_fires_decides() -> None:
    decision = decide(QUERY, POLICY, decision_id="d1", at=NOON)
    assert (decision.status, decision.rule, decision.queue) == ("ok", "first", "vip")
    assert (decision.priority, decision.min_penalty, decision.max_penalty) == (10, None, 1)
    assert (decision.emotion, decision.confidence, decision.announcement) == ("angry", 0.8, "hello")
    assert decision.probabilities == {"angry": 0.8, "neutral": 0.1, "disappointed": 0.06, "happy": 0.04}
    assert decision.reasons == (
        "signals in the text are angry with confidence 0.80",
        'rule "first" fired: queue vip, priority 10, agents with penalty 0 to 1 for 20 s, then any, '
        "announcement hello",
    )


def test_a_rule_without_queue_keeps_the_default() -> None:
    decision = decide(replace(QUERY, scores=UNSURE), POLICY, decision_id="d", at=NOON)
    assert (decision.emotion, decision.rule, decision.queue) == ("uncertain", "second", "support")
    assert "0.35 is under the model's threshold 0.4" in decision.reasons[0]


def test_no_rule_leaves_the_default() -> None:
    decision = decide(QUERY, Policy(default_queue="other"), decision_id="d", at=NOON)
    assert (decision.status, decision.queue, decision.rule) == ("default", "support", None)
    anywhere = decide(QueryFacts(None), Policy(default_queue="other"), decision_id="d", at=NOON)
    assert (anywhere.queue, anywhere.source, anywhere.emotion) == ("other", "none", "uncertain")
    assert anywhere.probabilities is None


@pytest.mark.parametrize(
    ("mode", "holdout", "optout", "status"),
    [("monitor", 0.0, False, "monitor"), ("active", 1.0, False, "holdout"), ("active", 0.0, True, "optout")],
)
def test_calls_left_alone(mode: Any, holdout: float, optout: bool, status: str) -> None:
    query = replace(QUERY, optout=optout)
    decision = decide(query, POLICY, mode, holdout, decision_id="d", at=NOON)
    assert (decision.status, decision.queue) == (status, "support")
    assert (decision.priority, decision.max_penalty, decision.announcement) == (None, None, None)
    if status != "optout":
        assert decision.rule == "first"
        assert any('rule "first" fired: queue vip' in reason for reason in decision.reasons)
        assert any("left as it was" in reason for reason in decision.reasons)


def test_opting_out_leaves_no_trace_of_emotion() -> None:
    decision = decide(replace(QUERY, optout=True), POLICY, decision_id="d", at=NOON)
    assert (decision.emotion, decision.confidence, decision.probabilities) == ("uncertain", 0.0, None)
    assert decision.rule is None


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"emotion": ("happy",)}, False),
        ({"min_confidence": 0.8}, True),
        ({"min_confidence": 0.81}, False),
        ({"topic": ("billing",)}, True),
        ({"topic": ("delivery",)}, False),
        ({"topic": ("billing",), "min_topic_confidence": 0.9}, False),
        ({"customer": ("x", "c-*")}, True),
        ({"customer": ("vip-*",)}, False),
        ({"attributes": {"plan": ("gold", "silver")}}, True),
        ({"attributes": {"plan": ("silver",)}}, False),
        ({"attributes": {"age": ("40",)}}, False),
        ({"days": ("tue",)}, True),
        ({"days": ("mon", "wed")}, False),
        ({"hours": ("08:00-12:01",)}, True),
        ({"hours": ("08:00-12:00",)}, False),
        ({"hours": ("22:00-06:00", "11:00-13:00")}, True),
        ({"hours": ("12:30-12:00",)}, False),
        ({"hours": ("11:00-10:00",)}, True),
        ({"max_waiting": 3}, True),
        ({"max_waiting": 2}, False),
        ({"max_longest_wait_s": 40}, True),
        ({"max_longest_wait_s": 39.0}, False),
        ({"min_available": 1}, True),
        ({"min_available": 2}, False),
        ({"min_available": 0, "queue": "unknown"}, False),
    ],
)
def test_each_condition(conditions: dict[str, Any], expected: bool) -> None:
    query = replace(QUERY, topic="billing", topic_confidence=0.7, attributes={"plan": "gold"})
    assert fires(query, **conditions) is expected


def test_hours_are_those_of_the_policys_timezone() -> None:
    assert fires(zone="Asia/Tokyo", hours=("21:00-21:01",), days=("tue",))
    assert fires(zone="Pacific/Auckland", days=("wed",))


def test_every_rule_is_explained() -> None:
    query = replace(QUERY, scores=UNSURE)
    policy = Policy(rules=(*POLICY.rules, Rule(name="third")))
    assert explain(query, policy, at=NOON) == (
        RuleOutcome("first", False, ("the signals are uncertain, not angry",)),
        RuleOutcome("second", True),
        RuleOutcome("third", False, ('"second" had fired before it',)),
    )


def test_reasons_name_no_customer() -> None:
    policy = Policy(rules=(Rule(name="r", customer=("vip-*",), attributes={"plan": ("x",)}),))
    query = replace(QUERY, customer_key="4711-secret", attributes={"plan": "secret"})
    assert "secret" not in str(explain(query, policy, at=NOON))


keys = st.text(max_size=30)


@given(keys, st.floats(0, 1), st.floats(0, 1))
def test_the_holdout_is_stable_and_grows(key: str, a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert in_holdout(key, low) <= in_holdout(key, high)
    assert not in_holdout(key, 0.0) and in_holdout(key, 1.0)


def test_the_holdout_has_its_share() -> None:
    inside = sum(in_holdout(f"customer {i}", 0.2) for i in range(5000))
    assert abs(inside / 5000 - 0.2) < 0.02


probabilities = st.lists(st.floats(0.01, 1), min_size=4, max_size=4).map(lambda v: Scores.of(v, 0.4))


@given(st.none() | probabilities, st.sampled_from(["active", "monitor"]), st.floats(0, 1), st.booleans())
def test_explanation_and_decision_agree(
    scores: Scores | None, mode: Any, holdout: float, optout: bool
) -> None:
    query = replace(QUERY, scores=scores, optout=optout)
    decision = decide(query, POLICY, mode, holdout, decision_id="d", at=NOON)
    fired = [o.rule for o in explain(query, POLICY, at=NOON) if o.fired]
    if not optout:
        assert fired == ([decision.rule] if decision.rule else [])
    if decision.status not in {"ok"}:
        assert (decision.queue, decision.priority) == ("support", None)
    assert decision.reasons


TIERED = Policy(rules=(Rule(name="best", emotion=("angry",), queue="care", tier=1, tier_wait_s=45),))


def care(*penalties: int) -> dict[str, QueueState]:
    return {"care": QueueState(0, 0.0, 1, frozenset(penalties))}


def test_a_tier_is_asked_for_with_its_longest_wait() -> None:
    decision = decide(QUERY, TIERED, decision_id="d", at=NOON, queues=care(0, 3), widening={45})
    assert (decision.max_penalty, decision.tier_wait_s) == (1, 45)
    assert "for 45 s, then any" in decision.reasons[1]


@pytest.mark.parametrize(
    ("queues", "widening", "why"),
    [
        (care(0), set(), "no queue rule emocx-45"),
        (care(2, 3), {45}, "nobody of that tier is logged in to care"),
        (care(), {45}, "nobody of that tier"),
        ({}, {45}, "the state of queue care is not known"),
    ],
)
def test_nobody_waits_for_a_tier_that_is_not_there_or_without_an_end(
    queues: dict[str, QueueState], widening: set[int], why: str
) -> None:
    decision = decide(QUERY, TIERED, decision_id="d", at=NOON, queues=queues, widening=widening)
    assert (decision.queue, decision.max_penalty, decision.tier_wait_s) == ("care", None, None)
    assert why in decision.reasons[-1]


def test_a_caller_routed_as_before_rings_ranked_agents_as_equals() -> None:
    query = replace(QUERY, default_queue="care")
    ranked = {"care"}
    for share, status, raised in ((1.0, "holdout", EQUALS), (0.0, "ok", None)):
        decision = decide(
            query, POLICY, holdout_share=share, decision_id="d", at=NOON, queues={}, ranked=ranked
        )
        assert (decision.status, decision.raise_penalty) == (status, raised)
    out = decide(replace(query, optout=True), POLICY, decision_id="d", at=NOON, ranked=ranked)
    assert out.raise_penalty == EQUALS
    assert decide(query, POLICY, holdout_share=1.0, decision_id="d", at=NOON).raise_penalty is None


@pytest.mark.parametrize(("language", "fires"), [("de", True), ("fr", True), ("en", False), (None, False)])
def test_a_rule_may_ask_for_the_language(language: str | None, fires: bool) -> None:
    rule = Rule(name="r", language=("de", "fr"), queue="berlin")
    query = replace(QUERY, language=language)
    assert (unmet(rule, query, Policy(rules=(rule,)), 0.0) == []) == fires
    assert not rule.unconditional


def test_a_foreign_text_says_which_language_it_is() -> None:
    query = replace(QUERY, scores=Scores.of((0.24, 0.3, 0.24, 0.22), 0.51), language="de", foreign=True)
    decision = decide(query, Policy(), decision_id="d", at=0.0)
    assert (decision.emotion, decision.language) == ("uncertain", "de")
    assert "language: de" in decision.reasons[0]


TORN = Scores((0.44, 0.1, 0.42, 0.04), threshold=0.5)


@pytest.mark.parametrize(
    ("upset", "site", "wanted"),
    [(True, 0.8, True), (True, 0.9, False), (0.4, 0.9, True), (0.87, 0.1, False), (False, 0.99, True)],
)
def test_a_rule_may_ask_for_upset(upset: bool | float, site: float, wanted: bool) -> None:
    query = replace(QUERY, scores=TORN, upset_threshold=site)
    assert fires(query, upset=upset) is wanted


def test_nothing_classified_is_not_upset() -> None:
    query = replace(QUERY, scores=None)
    assert not fires(query, upset=True)
    assert decide(query, POLICY, decision_id="d", at=NOON).upset is None


def test_torn_between_two_kinds_of_upset_is_one_of_them() -> None:
    query = replace(QUERY, scores=TORN)
    assert fires(query, emotion=("angry", "disappointed"))
    assert not fires(query, emotion=("angry",))
    decision = decide(query, POLICY, decision_id="d", at=NOON)
    assert (decision.emotion, decision.upset) == ("uncertain", 0.86)
    assert "anger or disappointment at 0.86" in decision.reasons[0]


def test_words_that_nobody_knows_are_in_an_unknown_language() -> None:
    query = replace(QUERY, scores=UNSURE, foreign=True)
    decision = decide(query, POLICY, decision_id="d", at=NOON)
    assert "language: unknown" in decision.reasons[0]
    assert decision.upset is None and not fires(query, upset=0.01)
    # Of speech the voice counts.
    assert fires(replace(query, source="speech"), upset=0.5)
