"""What follows from an attempt: done, retry at a certain time, or give up. Pure.

Delays are those of Standard Webhooks: short while a receiver restarts, then longer, for about three days in
all.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

#: Seconds between attempts: the first is at once, so this is after attempt 1, 2, 3...
DELAYS_S: Final = (5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400)

ATTEMPTS: Final = len(DELAYS_S) + 1

#: Share by which a delay is stretched at most, so that deliveries that failed together are not retried
#: together.
JITTER: Final = 0.2

#: Most seconds that a receiver may ask for.
LONGEST_WAIT_S: Final = 86400.0

#: Statuses for "slow down": with these, Retry-After counts.
_THROTTLE: Final = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class AttemptOutcome:
    """How one attempt ended."""

    status: int | None
    """HTTP status; None: there was no answer."""
    error: str = ""
    """Why there was no answer, in a few words."""
    retry_after: str | None = None
    """The header Retry-After as received."""
    said: str = ""
    """First characters of the answer's body."""

    @property
    def taken(self) -> bool:
        """Whether the receiver accepted it: any 2xx, whatever followed."""
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class Delivered:
    """The receiver accepted it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Retry at `at` (Unix seconds)."""

    at: float
    reason: str
    pause_until: float | None = None
    """Whether the receiver asked for a pause (Retry-After): nothing at all should be sent to it before
    `at`."""


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No more attempts; `disable` the whole receiver if it said that it is gone."""

    reason: str
    disable: bool = False


def after(
    attempt: int, outcome: AttemptOutcome, now: float, rng: random.Random
) -> Delivered | Retry | GiveUp:
    """What to do after attempt number `attempt` (1 is the first) ended with `outcome`."""
    status = outcome.status
    if outcome.taken:
        return Delivered()
    reason = reason_of(outcome)
    if status == 410:
        return GiveUp(reason, disable=True)
    if attempt >= ATTEMPTS:
        return GiveUp(f"{reason}; {attempt} attempts")
    delay = DELAYS_S[attempt - 1] * (1 + JITTER * rng.random())
    if status in _THROTTLE:
        asked = retry_after_s(outcome.retry_after, now)
        if asked is not None:
            # A request for more is obeyed; for less, the schedule is gentler anyway.
            pause = now + min(asked, LONGEST_WAIT_S)
            return Retry(max(now + delay, pause), reason, pause)
    return Retry(now + delay, reason)


def reason_of(outcome: AttemptOutcome) -> str:
    """One line for `webhooks list`."""
    if outcome.status is None:
        return outcome.error or "no answer"
    if 300 <= outcome.status < 400:
        return f"HTTP {outcome.status}: redirects are not followed, use the final address"
    if outcome.status == 410:
        return "HTTP 410: the receiver is gone and was disabled"
    return f"HTTP {outcome.status}"


def retry_after_s(value: str | None, now: float) -> float | None:
    """Seconds to wait according to a Retry-After header (seconds or a date); None if absent or invalid."""
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)
