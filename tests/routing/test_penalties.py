"""Penalties follow the ranking in queues that get emotions, and leave all others alone."""

from __future__ import annotations

from emocx_pbx.routing.penalties import penalties, queue_emotions
from emocx_pbx.routing.policy import Policy, Rule, built_in_policy
from emocx_pbx.routing.ranking import RankingPlan, RankingSample, rank
from emocx_pbx.routing.tiers import Load

NOW = 1e9
POLICY = Policy(
    rules=(
        Rule(name="a", emotion=("disappointed", "angry"), queue="care"),
        Rule(name="b", emotion=("happy",), queue="sales"),
        Rule(name="c", emotion=("neutral",), queue="sales"),
        Rule(name="d", topic=("billing",), queue="billing"),
        Rule(name="e", emotion=("angry",), priority=3),
    )
)
OUTCOMES = [
    RankingSample(agent, emotion, score, NOW)
    for agent, emotion, score in (
        ("anna", "angry", 80), ("anna", "happy", 50), ("bert", "angry", 50), ("bert", "happy", 80),
    )
    for _ in range(50)
]  # fmt: skip


def test_a_queue_is_ordered_by_its_hardest_callers() -> None:
    assert queue_emotions(POLICY) == {"care": "angry", "sales": "happy"}
    assert queue_emotions(built_in_policy()) == {}


def test_each_queue_rings_those_who_do_best_there() -> None:
    members = {"care": ["anna", "bert"], "sales": ["anna", "bert"], "billing": ["anna"], "support": ["bert"]}
    found = penalties(POLICY, members, rank(OUTCOMES, NOW))
    assert found["care", "anna"] == 0 < found["care", "bert"]
    assert found["sales", "bert"] == 0 < found["sales", "anna"]
    assert {queue for queue, _ in found} == {"care", "sales"}


def test_load_counts() -> None:
    load = {"anna": Load(10, 9), "bert": Load(10, 0), "cora": Load(10, 0)}
    found = penalties(POLICY, {"care": list(load)}, rank(OUTCOMES, NOW), load)
    assert found["care", "anna"] == RankingPlan().tiers - 1
    assert penalties(POLICY, {}, rank(OUTCOMES, NOW)) == {}


def test_a_queue_of_upset_callers_is_ordered_by_the_angry_ones() -> None:
    assert queue_emotions(Policy(rules=(Rule(name="r", upset=0.4, queue="care"),))) == {"care": "angry"}
