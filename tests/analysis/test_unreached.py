"""Workers that a PBX did not reach are avoided for a while, by that PBX alone."""

from __future__ import annotations

from emocx_pbx.analysis.unreached import AGAIN_S, MOST, Unreached


def test_a_worker_is_avoided_by_the_pbx_that_did_not_reach_it() -> None:
    unreached = Unreached(lambda: 0.0)
    unreached.failed("berlin", "10.0.0.1:9092")
    assert unreached.by("berlin", "10.0.0.1:9092")
    assert not unreached.by("vienna", "10.0.0.1:9092") and not unreached.by("berlin", "10.0.0.2:9092")
    unreached.reached("berlin", "10.0.0.1:9092")
    unreached.reached("berlin", "10.0.0.3:9092")
    assert not unreached.by("berlin", "10.0.0.1:9092", certain=True)


def test_a_tap_tries_it_again_before_anybody_waits_for_it() -> None:
    now = 0.0
    unreached = Unreached(lambda: now)
    unreached.failed("", "w:1")
    now = AGAIN_S
    assert not unreached.by("", "w:1") and unreached.by("", "w:1", certain=True)
    unreached.failed("", "w:1")
    now = AGAIN_S + 1
    assert unreached.by("", "w:1")


def test_one_tap_at_a_time_tries_it_again() -> None:
    now = 0.0
    unreached = Unreached(lambda: now)
    unreached.failed("", "w:1")
    now = AGAIN_S
    assert not unreached.by("", "w:1")
    unreached.trying("", "w:1")
    unreached.trying("", "w:2")
    assert unreached.by("", "w:1") and not unreached.by("", "w:2")


def test_the_oldest_are_forgotten() -> None:
    unreached = Unreached(lambda: 0.0)
    for number in range(MOST + 1):
        unreached.failed("", f"w:{number}")
    assert not unreached.by("", "w:0") and unreached.by("", "w:1") and unreached.by("", f"w:{MOST}")
