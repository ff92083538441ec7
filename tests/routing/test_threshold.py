"""The site's own threshold keeps what it promises, and says when it can't tell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.routing.threshold import least_calm, propose

CALM = [i / 1000 for i in range(500)]
UPSET = [0.4 + i / 1000 for i in range(500)]


def test_alarms_are_at_most_the_share_asked_for() -> None:
    found = propose(CALM, UPSET, 0.05, random.Random(0))
    assert found is not None and found.found is not None
    assert 0.04 <= found.false_alarms.value <= 0.05
    assert found.threshold.low <= found.threshold.value <= found.threshold.high
    assert found.found.value == pytest.approx(0.85, abs=0.01)
    assert (found.calm, found.upset) == (500, 500)


def test_without_labels_there_is_a_threshold_but_no_share_found() -> None:
    found = propose(CALM, [], 0.05, random.Random(0))
    assert found is not None and found.found is None


def test_too_few_calm_messages_give_none() -> None:
    assert least_calm(0.05) == 60
    assert propose(CALM[:59], UPSET, 0.05, random.Random(0)) is None
    assert propose(CALM[:60], UPSET, 0.05, random.Random(0)) is not None


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=60, max_size=120), st.sampled_from([0.05, 0.1, 0.3]))
def test_never_more_alarms_than_asked_for(calm: list[float], alarms: float) -> None:
    found = propose(calm, [], alarms, random.Random(0))
    assert found is not None
    assert found.false_alarms.value <= alarms or found.threshold.value == 1.0
    assert found.threshold.low <= found.threshold.high


def test_the_threshold_holds_for_the_next_customers_too() -> None:
    rng = random.Random(1)
    kept = []
    for _ in range(60):
        found = propose([rng.random() for _ in range(100)], [], 0.05, random.Random(0))
        assert found is not None
        kept.append(1 - found.threshold.value)
    assert sum(kept) / len(kept) <= 0.05
