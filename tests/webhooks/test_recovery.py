"""A receiver that is down is noticed, probed ever less often, and caught up with gently once it is back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.webhooks.recovery import BURST, PROBES_S, RATE_PER_S, UNLIMITED_PER_S, ReceiverRecovery


@pytest.mark.parametrize("status", [None, 429, 502, 503, 504])
def test_no_answer_or_an_unwell_one_is_an_outage_at_once(status: int | None) -> None:
    recovery = ReceiverRecovery(0.0)
    recovery.refused(1.0, status)
    assert recovery.down and recovery.probe_at == 1.0 + PROBES_S[0]
    assert recovery.took(9.0, 8.0) and not recovery.down


def test_one_refusal_may_be_the_events_own_fault_two_in_a_row_are_not() -> None:
    recovery = ReceiverRecovery(0.0)
    recovery.refused(1.0, 500)
    assert not recovery.down and not recovery.took(2.0, 1.5)
    recovery.refused(3.0, 400)
    recovery.refused(4.0, 500)
    assert recovery.down


def test_events_refused_again_when_sent_early_are_no_new_outage() -> None:
    recovery = ReceiverRecovery(0.0, down=True)
    assert recovery.took(1.0, 0.5)
    for _ in range(5):
        recovery.refused(2.0, 400, early=True)
    assert not recovery.down
    recovery.refused(3.0, None, early=True)
    assert recovery.down


def test_what_was_sent_before_it_went_down_does_not_tell_that_it_is_back() -> None:
    recovery = ReceiverRecovery(0.0)
    recovery.refused(10.0, None)
    assert not recovery.took(11.0, began=9.0) and recovery.down
    assert recovery.took(12.0, began=10.5)


def test_a_clock_set_back_does_not_keep_it_down() -> None:
    recovery = ReceiverRecovery(5000.0)
    recovery.refused(5000.0, None)
    assert recovery.took(100.0, began=99.0)


def test_probes_come_ever_later() -> None:
    recovery, now = ReceiverRecovery(0.0, down=True), 0.0
    gaps: list[float] = []
    for _ in range(10):
        assert recovery.probe_at is not None
        gaps.append(recovery.probe_at - now)
        now = recovery.probe_at
        recovery.probing(now)
    assert gaps == [*PROBES_S, 300.0, 300.0, 300.0]


def test_catching_up_begins_slowly_and_ends() -> None:
    recovery = ReceiverRecovery(0.0)
    assert recovery.room(0.0) == math.inf
    recovery.refused(0.0, None)
    recovery.took(100.0, 99.0)
    assert recovery.room(100.0) == BURST
    recovery.began(8)
    assert recovery.room(100.0) == 0 and 0 < recovery.next_room_s(100.0) <= 1 / RATE_PER_S
    assert 1 <= recovery.room(100.0 + 1.1 / RATE_PER_S) < 3
    assert recovery.room(160.0) == math.inf


@given(st.lists(st.tuples(st.floats(0, 2), st.sampled_from(["took", "refused", "room"])), max_size=60))
def test_never_more_than_the_rate_begins_while_catching_up(steps: list[tuple[float, str]]) -> None:
    recovery, now, begun = ReceiverRecovery(0.0, down=True), 0.0, 0.0
    recovery.took(0.0, 0.0)
    for gap, step in steps:
        now += gap
        room = recovery.room(now)
        if room == math.inf or step != "room":
            break
        recovery.began(int(room))
        begun += room
        # The rate is doubled every 5 s: its integral bounds what may have begun.
        assert begun <= BURST + RATE_PER_S * 2 ** (now / 5) * now + 1
    assert recovery.next_room_s(now) < 1
    assert UNLIMITED_PER_S > RATE_PER_S
