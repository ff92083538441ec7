"""The benefit: routed calls against the holdout, as differences with confidence intervals.

Customers, not calls, were put into the holdout by chance, so customers are the units: each one's calls
are averaged first, and the arms compared by Welch's t interval (Welch 1947).
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

Arm = Literal["routed", "holdout"]
Verdict = Literal["better", "worse", "can't tell yet"]

#: With fewer customers than this in an arm no interval can be trusted.
LEAST_CUSTOMERS: Final = 20
#: Quantile of the normal distribution for 95 %.
Z95: Final = 1.959964


@dataclass(frozen=True, slots=True)
class CallResult:
    """The outcome of one call."""

    customer: str
    """The CRM's key; the call's own id where there is none."""
    arm: Arm
    score: float | None = None
    """Mean grade of its segments."""
    abandoned: bool = False
    wait_s: float | None = None
    """From its begin to the first agent."""
    handle_s: float | None = None
    """With agents."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One measure in both arms."""

    measure: str
    unit: str
    more_is_better: bool
    routed: float | None
    """Mean over customers; None if there are none."""
    holdout: float | None
    routed_customers: int
    holdout_customers: int
    difference: float | None
    """Routed less holdout."""
    low: float | None
    """95 % interval of the difference; None with too few customers."""
    high: float | None
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Summary:
    """Sums over customers' own means of one measure in one arm."""

    customers: int
    mean: float | None
    """None if there are none."""
    variance: float | None
    """Of the sample; None under two."""

    @classmethod
    def of(cls, values: Sequence[float]) -> Summary:
        """Of values at hand."""
        mean = statistics.fmean(values) if values else None
        return cls(len(values), mean, statistics.variance(values) if len(values) > 1 else None)


#: What is compared: its name, its unit, and whether more of it is better.
MEASURES: Final = (
    ("grade", "points", True),
    ("abandoned", "share", False),
    ("wait", "s", False),
    ("handle time", "s", False),
)


def compare(results: Sequence[CallResult]) -> list[Comparison]:
    """Compare the arms by grade, abandonment, wait and handle time."""
    return compare_summaries(
        {
            "grade": _summaries((r, r.score) for r in results),
            "abandoned": _summaries((r, float(r.abandoned)) for r in results),
            "wait": _summaries((r, r.wait_s) for r in results),
            "handle time": _summaries((r, r.handle_s) for r in results),
        }
    )


def compare_summaries(measures: Mapping[str, tuple[Summary, Summary]]) -> list[Comparison]:
    """The same from customers' means that were added up already: (routed, holdout) by measure."""
    return [_comparison(name, unit, more, *measures[name]) for name, unit, more in MEASURES]


def _summaries(values: Iterable[tuple[CallResult, float | None]]) -> tuple[Summary, Summary]:
    by_customer: dict[tuple[Arm, str], list[float]] = defaultdict(list)
    for result, value in values:
        if value is not None:
            by_customer[result.arm, result.customer].append(value)
    arms: dict[Arm, list[float]] = {"routed": [], "holdout": []}
    for (arm, _), own in by_customer.items():
        arms[arm].append(statistics.fmean(own))
    return Summary.of(arms["routed"]), Summary.of(arms["holdout"])


def _comparison(
    measure: str, unit: str, more_is_better: bool, routed: Summary, holdout: Summary
) -> Comparison:
    difference = None
    if routed.mean is not None and holdout.mean is not None:
        difference = routed.mean - holdout.mean
    low = high = None
    verdict: Verdict = "can't tell yet"
    if difference is not None and min(routed.customers, holdout.customers) >= LEAST_CUSTOMERS:
        half = _half_width(routed, holdout)
        low, high = difference - half, difference + half
        if low > 0 or high < 0:
            verdict = "better" if (low > 0) == more_is_better else "worse"
    return Comparison(
        measure,
        unit,
        more_is_better,
        routed.mean,
        holdout.mean,
        routed.customers,
        holdout.customers,
        difference,
        low,
        high,
        verdict,
    )


def _half_width(a: Summary, b: Summary) -> float:
    """Half the 95 % interval of a difference of means, variances unequal."""
    va, vb = (a.variance or 0.0) / a.customers, (b.variance or 0.0) / b.customers
    if va + vb == 0:
        return 0.0
    share = va / (va + vb)  # squares of variances themselves can vanish
    freedom = 1 / (share**2 / (a.customers - 1) + (1 - share) ** 2 / (b.customers - 1))
    return t95(freedom) * math.sqrt(va + vb)


def t95(freedom: float) -> float:
    """Two-sided 95 % quantile of Student's t (Abramowitz & Stegun 26.7.5; good from 10 degrees on)."""
    z = Z95
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
