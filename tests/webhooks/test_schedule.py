"""The schedule: what follows from each outcome, at which time."""

from __future__ import annotations

import random
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.webhooks.schedule import (
    ATTEMPTS,
    DELAYS_S,
    JITTER,
    LONGEST_WAIT_S,
    AttemptOutcome,
    Delivered,
    GiveUp,
    Retry,
    after,
    retry_after_s,
)

NOW = 1_800_000_000.0


def rng() -> random.Random:
    return random.Random(1)


def tried_again(attempt: int, outcome: AttemptOutcome, chance: random.Random) -> Retry:
    result = after(attempt, outcome, NOW, chance)
    assert isinstance(result, Retry)
    return result


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_any_2xx_is_success(status: int) -> None:
    assert after(1, AttemptOutcome(status), NOW, rng()) == Delivered()


@pytest.mark.parametrize("status", [None, 100, 301, 302, 308, 400, 401, 404, 418, 429, 500, 502, 503, 504])
def test_all_else_is_tried_again(status: int | None) -> None:
    result = tried_again(1, AttemptOutcome(status, "refused"), rng())
    assert NOW + 5 <= result.at <= NOW + 5 * (1 + JITTER)


def test_a_receiver_that_is_gone_is_disabled_at_once() -> None:
    result = after(1, AttemptOutcome(410), NOW, rng())
    assert isinstance(result, GiveUp)
    assert result.disable


@given(st.integers(1, ATTEMPTS - 1), st.integers(0, 2**32))
def test_delays_grow_with_jitter(attempt: int, seed: int) -> None:
    result = tried_again(attempt, AttemptOutcome(500), random.Random(seed))
    delay = DELAYS_S[attempt - 1]
    assert NOW + delay <= result.at <= NOW + delay * (1 + JITTER)


def test_the_schedule_ends_after_about_three_days() -> None:
    assert ATTEMPTS == 10
    assert 3 <= sum(DELAYS_S) / 86400 <= 4
    result = after(ATTEMPTS, AttemptOutcome(500), NOW, rng())
    assert isinstance(result, GiveUp)
    assert not result.disable


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_retry_after_is_honoured(status: int) -> None:
    result = tried_again(1, AttemptOutcome(status, retry_after="120"), rng())
    assert (result.at, result.pause_until) == (NOW + 120, NOW + 120)
    late = tried_again(1, AttemptOutcome(status, retry_after=formatdate(NOW + 600, usegmt=True)), rng())
    assert late.at == NOW + 600
    far = tried_again(1, AttemptOutcome(status, retry_after="999999999999"), rng())
    assert far.at == NOW + LONGEST_WAIT_S
    assert tried_again(1, AttemptOutcome(status), rng()).pause_until is None


def test_retry_after_never_shortens_the_schedule_and_counts_only_with_throttling() -> None:
    assert tried_again(3, AttemptOutcome(503, retry_after="1"), rng()).at >= NOW + DELAYS_S[2]
    assert tried_again(1, AttemptOutcome(500, retry_after="9000"), rng()).at < NOW + 10


@given(st.text(max_size=40))
def test_any_header_is_a_wait_or_nothing(value: str) -> None:
    seconds = retry_after_s(value, NOW)
    assert seconds is None or seconds >= 0


def test_a_redirect_says_what_to_do() -> None:
    assert "not followed" in tried_again(1, AttemptOutcome(302), rng()).reason
