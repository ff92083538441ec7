"""Limits: never more than so many in any window, and never more memory than for so many keys."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.limits import Limit, place_of, take


def test_a_limit_lets_its_number_pass_and_then_makes_wait() -> None:
    limit = Limit(2, 60.0)
    for at in (0.0, 10.0):
        assert limit.wait_s("a", at) == 0
        limit.use("a", at)
    assert limit.wait_s("a", 20.0) == 40.0
    assert limit.wait_s("b", 20.0) == 0
    assert limit.wait_s("a", 60.0) == 0


@given(st.integers(1, 4), st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 30)), max_size=60))
def test_never_more_than_so_many_in_any_window(most: int, tries: list[tuple[str, float]]) -> None:
    limit, now = Limit(most, 60.0), 0.0
    done: dict[str, list[float]] = {}
    for key, later in tries:
        now += later
        if limit.wait_s(key, now) == 0:
            limit.use(key, now)
            done.setdefault(key, []).append(now)
    for times in done.values():
        for earlier, later in zip(times, times[most:], strict=False):
            assert later - earlier >= 60.0 - 1e-9, "but for rounding"


def test_memory_is_bounded() -> None:
    limit = Limit(3, 60.0, max_keys=100)
    for n in range(1000):
        limit.use(str(n), 0.0)
    assert len(limit) == 100


def test_one_refusal_uses_up_nothing() -> None:
    free, spent = Limit(1, 60.0), Limit(1, 60.0)
    spent.use("", 0.0)
    assert take([("free", free, "a"), ("spent", spent, "")], 1.0) == ("spent", 59.0)
    assert take([("free", free, "a")], 1.0) is None
    assert take([("free", free, "a")], 2.0) == ("free", 59.0)


def test_whoever_has_an_ipv6_address_has_many() -> None:
    assert place_of("2001:db8:1:2:aaaa::1") == place_of("2001:db8:1:2:bbbb::2")
    assert place_of("2001:db8:1:2::1") != place_of("2001:db8:1:3::1")
    assert place_of("::ffff:192.0.2.1") == place_of("192.0.2.1")
    assert len(place_of("x" * 5000)) <= 64


def test_other_bounds_count_what_was_used_before() -> None:
    limit = Limit(3, 60.0)
    for at in (0.0, 1.0, 2.0):
        limit.use("k", at)
    limit.change(2, 60.0)
    assert limit.wait_s("k", 3.0) > 0 and limit.left("k", 3.0) == 0
    limit.change(4, 60.0)
    assert limit.wait_s("k", 3.0) == 0 and limit.left("k", 3.0) == 1
    limit.change(100, 60.0)
    assert limit.left("k", 3.0) == 97


def test_what_is_used_elsewhere_counts_and_is_told_no_further() -> None:
    limit, told = Limit(3, 60.0), list[tuple[str, int]]()
    limit.on_use = lambda key, number: told.append((key, number))
    limit.use("a", 0.0)
    limit.undo("a")
    limit.undo("a")
    limit.use_elsewhere("a", 1.0, 3)
    assert limit.left("a", 2.0) == 0
    limit.use_elsewhere("a", 1.0, -2)
    assert limit.left("a", 2.0) == 2
    limit.use_elsewhere("b", 1.0, 1_000_000)
    assert limit.left("b", 2.0) == 0
    assert told == [("a", 1), ("a", -1)]
