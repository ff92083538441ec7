"""A rule's numbers beside those that the administrator's dialplan had set on the call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import Decision, Scores
from emocx_pbx.errors import SettingsError
from emocx_pbx.routing.decision import EQUALS, QueryFacts, QueueState, decide
from emocx_pbx.routing.levers import OwnLevers, combined, own_number
from emocx_pbx.routing.policy import Policy, Rule, load_policy

ANGRY = Scores((0.8, 0.1, 0.06, 0.04), threshold=0.4)
numbers = st.integers(-1000, 1000)


def decided(own: OwnLevers, queues: dict[str, QueueState] | None = None, **does: Any) -> Decision:
    policy = Policy(rules=(Rule(name="r", emotion=("angry",), queue="care", **does),))
    return decide(QueryFacts(ANGRY, own=own), policy, decision_id="d", at=0.0, queues=queues)


@pytest.mark.parametrize(
    ("given_priority", "own", "becomes"),
    [
        (10, None, 10),
        (10, 20, 20),
        (10, 5, 10),
        ({"at_least": 10}, 20, 20),
        ({"add": 10}, 20, 30),
        ({"add": -5}, 20, 15),
        ({"add": 10}, None, 10),
        ({"set": 10}, 20, 10),
        (None, 20, None),
    ],
)
def test_priority_beside_the_calls_own(given_priority: Any, own: int | None, becomes: int | None) -> None:
    assert decided(OwnLevers(priority=own), priority=given_priority).priority == becomes


def test_the_reason_tells_of_both_numbers() -> None:
    assert "priority 20 (at_least on the call's own 20)" in decided(OwnLevers(20), priority=10).reasons[1]


@pytest.mark.parametrize(
    ("own", "does", "low_high_wait"),
    [
        # The higher wins; a lever without a rule's number is not touched.
        (OwnLevers(max_penalty=1), {"tier": 3}, (None, 3, 20)),
        (OwnLevers(min_penalty=1), {"min_penalty": 3}, (3, None, 20)),
        (OwnLevers(max_penalty=2), {"max_penalty": {"add": 3}}, (None, 5, 20)),
        (OwnLevers(max_penalty=9), {"max_penalty": {"set": 1}}, (None, 1, 20)),
        # The own ones stand: nothing is set, and no queue rule lifts them after a while.
        (OwnLevers(max_penalty=5), {"tier": 1}, (None, None, None)),
        (OwnLevers(min_penalty=5), {"min_penalty": 3}, (None, None, None)),
        # The own lowest and the rule's highest leave nobody.
        (OwnLevers(min_penalty=5), {"tier": 1}, (None, None, None)),
    ],
)
def test_penalties_beside_the_calls_own(
    own: OwnLevers, does: dict[str, Any], low_high_wait: tuple[int | None, int | None, int | None]
) -> None:
    decision = decided(own, **does)
    assert (decision.min_penalty, decision.max_penalty, decision.tier_wait_s) == low_high_wait
    if low_high_wait[2] is None:
        assert "the call keeps its own penalties" in decision.reasons[-1]


def test_a_tier_counts_who_is_logged_in_within_both_limits() -> None:
    care = {"care": QueueState(0, 0.0, 1, frozenset({1}))}
    assert decided(OwnLevers(), care, tier=1).max_penalty == 1
    assert decided(OwnLevers(min_penalty=2), care, tier=3).max_penalty is None


def test_a_caller_routed_as_before_keeps_a_higher_raised_penalty() -> None:
    for own, raised in ((None, EQUALS), (3, EQUALS), (50, 50)):
        query = QueryFacts(ANGRY, default_queue="care", own=OwnLevers(raise_penalty=own))
        decision = decide(query, Policy(), decision_id="d", at=0.0, ranked={"care"})
        assert decision.raise_penalty == raised


@given(numbers, st.none() | numbers)
def test_at_least_never_lowers_and_a_plain_number_is_at_least(named: int, own: int | None) -> None:
    became = combined(named, own)
    assert became >= named and (own is None or became >= own)
    assert became == combined({"at_least": named}, own)


@given(st.text(max_size=40))
def test_any_text_on_the_channel_is_a_number_of_app_queue_or_none(text: str) -> None:
    found = own_number(text)
    assert found is None or abs(found) < 2**31


def test_a_channels_text_is_read_as_app_queue_reads_it() -> None:
    texts = ("", "20", " 20 ", "-3", "12abc", "abc", "9" * 30, "٣")
    assert [own_number(text) for text in texts] == [None, 20, 20, -3, 12, None, 2**31 - 1, None]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("priority = {at_most = 3}", "rules[0].priority: expected an integer from -1000 to 1000"),
        ("priority = {add = 3, set = 3}", "rules[0].priority: expected one of at_least, add and set"),
        ("priority = {}", "rules[0].priority: expected one of at_least, add and set, got none"),
        ("max_penalty = {add = -3}", "rules[0].max_penalty: expected an integer from 0"),
        ("min_penalty = {set = 2}\nmax_penalty = {set = 1}", "rules[0].min_penalty: expected at most 1"),
    ],
)
def test_wrong_words_are_refused(tmp_path: Path, entry: str, message: str) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(f"[[rules]]\nname = 'r'\n{entry}\n")
    with pytest.raises(SettingsError) as caught:
        load_policy(path)
    assert str(caught.value).startswith(f"policy.toml: {message}")
