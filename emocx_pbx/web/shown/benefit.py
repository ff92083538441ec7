"""The page of the benefit: routed customers against the holdout, each difference with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emocx_pbx.routing.benefit import LEAST_CUSTOMERS, Comparison
from emocx_pbx.web.shown.scale import Scale
from emocx_pbx.web.strings import t


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure: both arms, and the difference on a scale around zero."""

    name: str
    routed: str
    holdout: str
    routed_customers: int
    holdout_customers: int
    difference: str
    between: str
    """The 95 % interval in words; empty with too few customers."""
    verdict: str
    sentence: str
    x: float
    x_low: float
    width: float
    better_side: str
    """left or right: the side of zero that is good."""


@dataclass(frozen=True, slots=True)
class BenefitView:
    """All measures, and what can be said in one sentence."""

    measures: tuple[Measure, ...]
    headline: str
    advice: str
    calls: int
    clear: bool
    """Whether anything can be said at all."""


def benefit_view(comparisons: Sequence[Comparison], calls: int, holdout: float, mode: str) -> BenefitView:
    """The comparison as a page.

    Args:
        comparisons: from routing.benefit.
        calls: how many calls the comparisons rest on.
        holdout: the setting, to say why there is nothing to compare with.
        mode: the setting: in monitor mode nobody is routed.
    """
    measures = tuple(_measure(c) for c in comparisons)
    clear = [c for c in comparisons if c.verdict != "can't tell yet"]
    return BenefitView(
        measures, _headline(comparisons), _advice(comparisons, holdout, mode), calls, bool(clear)
    )


def _measure(c: Comparison) -> Measure:
    write = _writer(c.unit)
    name = _name(c)
    reach = max(abs(v) for v in (c.low or 0.0, c.high or 0.0, c.difference or 0.0, _least(c.unit))) * 1.1
    scale = Scale(-reach, reach)
    low, high = (c.low, c.high) if c.low is not None and c.high is not None else (0.0, 0.0)
    between = ""
    if c.low is not None and c.high is not None:
        between = t(
            "words.range.words", low=_plus(c.low, _writer(c.unit, bare=True)), high=_plus(c.high, write)
        )
    return Measure(
        name=name,
        routed="–" if c.routed is None else write(c.routed),
        holdout="–" if c.holdout is None else write(c.holdout),
        routed_customers=c.routed_customers,
        holdout_customers=c.holdout_customers,
        difference="–" if c.difference is None else _plus(c.difference, write),
        between=between,
        verdict=c.verdict,
        sentence=_sentence(c, write),
        x=scale.at(c.difference or 0.0),
        x_low=scale.at(low),
        width=scale.width(low, high),
        better_side="right" if c.more_is_better else "left",
    )


def _name(c: Comparison) -> str:
    return t(f"benefit.measure.{c.measure}", c.measure)


def _sentence(c: Comparison, write: Callable[[float], str]) -> str:
    if c.low is None or c.high is None:
        missing = LEAST_CUSTOMERS - min(c.routed_customers, c.holdout_customers)
        arm = "routed" if c.routed_customers < c.holdout_customers else "holdout"
        return t("benefit.sentence.missing", missing=missing, arm=t(f"benefit.arm.{arm}"))
    if c.verdict == "can't tell yet":
        return t("benefit.sentence.chance")
    low, high = sorted((abs(c.low), abs(c.high)))
    return t(f"benefit.sentence.{c.verdict}", low=write(low), high=write(high))


def _headline(comparisons: Sequence[Comparison]) -> str:
    better = ", ".join(_name(c).lower() for c in comparisons if c.verdict == "better")
    worse = ", ".join(_name(c).lower() for c in comparisons if c.verdict == "worse")
    kind = "both" if better and worse else "better" if better else "worse" if worse else "unknown"
    return t(f"benefit.headline.{kind}", better=better, worse=worse)


def _advice(comparisons: Sequence[Comparison], holdout: float, mode: str) -> str:
    if mode == "monitor":
        return t("benefit.advice.monitor")
    if not any(c.holdout_customers for c in comparisons):
        return t(f"benefit.advice.{'no_calls' if holdout > 0 else 'no_holdout'}", holdout=f"{holdout:g}")
    clear = any(c.verdict != "can't tell yet" for c in comparisons)
    return t(f"benefit.advice.{'told' if clear else 'more'}")


def _least(unit: str) -> float:
    return {"points": 5.0, "share": 0.05, "s": 10.0}.get(unit, 1.0)


def _writer(unit: str, *, bare: bool = False) -> Callable[[float], str]:
    """A value with its unit (unless bare), with only meaningful digits."""
    factor = 100.0 if unit == "share" else 1.0

    def write(value: float) -> str:
        digits = 0 if unit == "s" and abs(value) >= 10 else 1
        number = f"{value * factor:.{digits}f}"
        return number if bare else t(f"benefit.unit.{unit}", "{value}", value=number)

    return write


def _plus(value: float | None, write: Callable[[float], str]) -> str:
    if value is None:
        return "–"
    return f"{'+' if value > 0 else '−' if value < 0 else ''}{write(abs(value))}"
