"""What labelled windows say of the models on this site: recalls, false alarms, calibration, drift. Pure."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from emocx_pbx.domain import UNCERTAIN
from emocx_pbx.review.agreement import Agreement, cohen
from emocx_pbx.review.shares import CountedWindow, Figure, Share, bootstrap, difference, weighted_share
from emocx_pbx.review.windows import CALM, NAMES, UPSET, Labelled, RoundSize, WeightedWindow, weighted

#: Bins of confidence, as in the models' cards.
BINS: Final = 10
#: With fewer labelled windows a part of the time, or a model, is not shown by itself.
LEAST: Final = 20
METHOD: Final = (
    "all labelled windows, random ones and windows of doubt, each weighted to the windows it was drawn from"
)


@dataclass(frozen=True, slots=True)
class Bin:
    """Windows of similar confidence."""

    confidence: float
    """Mean of what the model said, 0 to 1."""
    right: float
    """Share of them in which people say the same, 0 to 1."""
    share: float
    """Its share of the site's windows, 0 to 1."""


@dataclass(frozen=True, slots=True)
class AccuracySlice:
    """Some figures for a part of the windows: a month's, or a model's."""

    name: str
    windows: int
    right: Share | None
    upset_found: Share | None
    upset_alarms: Share | None


@dataclass(frozen=True, slots=True)
class Accuracy:
    """The report; shares are of the site's windows, not of the labelled ones."""

    method: str
    windows: int
    """Number of labelled windows that it rests on."""
    callers: int
    people: int
    unclear: int
    """Labelled windows about which nobody could tell; not in the figures."""
    kept_out: int
    """Labelled windows of rounds that can't be weighted; not in the figures."""
    right: Share | None
    """Share of windows whose answer is what people say; uncertain never is."""
    answered: Share | None
    """Share of windows with an answer, not uncertain."""
    recall: dict[str, Share | None]
    """By label: of the windows that people label so, the share answered so."""
    false_alarms: dict[str, Share | None]
    """By label: of the windows that people label otherwise, the share answered so."""
    upset_found: Share | None
    """Of angry and disappointed windows, the share with P(upset) at or above the threshold."""
    upset_alarms: Share | None
    """The same of neutral and happy windows."""
    uar: Figure | None
    """Mean recall of the classes that occur."""
    calibration_error: Figure | None
    """Expected calibration error of the best class (Guo et al. 2017)."""
    overconfidence: Figure | None
    """Mean confidence minus the share in which the best class is right; above 0 the model is too sure."""
    bins: tuple[Bin, ...]
    agreement: Agreement | None
    months: tuple[AccuracySlice, ...]
    models: tuple[AccuracySlice, ...]
    change: Figure | None
    """Share right in the later half of the windows minus that in the earlier half; None: too few."""


def accuracy(
    labelled: Sequence[Labelled], rounds: Mapping[int, RoundSize], upset: float, rng: random.Random
) -> Accuracy:
    """The report of labelled windows.

    Args:
        labelled: each window once.
        rounds: of every window's round.
        upset: the site's threshold of P(upset).
        rng: source of the bootstraps' draws.
    """
    found = weighted(labelled, rounds)
    windows = found.windows
    calibration = _sums(windows, _calibration)
    return Accuracy(
        method=METHOD,
        windows=len(windows),
        callers=len({w.of.caller for w in windows}),
        people=len({person for one in labelled for person, _ in one.labels}),
        unclear=found.unclear,
        kept_out=found.kept_out,
        right=_right(windows),
        answered=weighted_share([_counted(w, w.weight, w.of.answer != UNCERTAIN) for w in windows]),
        recall={name: _answered(windows, (name,), name) for name in NAMES},
        false_alarms={name: _answered(windows, {*NAMES} - {name}, name) for name in NAMES},
        upset_found=_over(windows, UPSET, upset),
        upset_alarms=_over(windows, CALM, upset),
        uar=bootstrap(_sums(windows, _hits), _mean_recall, rng),
        calibration_error=bootstrap(calibration, _calibration_error, rng),
        overconfidence=bootstrap(calibration, _overconfidence, rng),
        bins=_bins(windows),
        agreement=cohen([(one.labels[0][1], one.labels[1][1]) for one in labelled if len(one.labels) > 1]),
        months=_parts(windows, upset, lambda w: f"{datetime.fromtimestamp(w.of.at, UTC):%Y-%m}"),
        models=_parts(windows, upset, lambda w: w.of.model),
        change=_change(windows),
    )


# Shares.


def _counted(window: WeightedWindow, weight: float, hit: bool) -> CountedWindow:
    return CountedWindow(window.of.caller, weight, weight if hit else 0.0)


def _right(windows: Sequence[WeightedWindow]) -> Share | None:
    return weighted_share([CountedWindow(w.of.caller, w.weight, w.says((w.of.answer,))) for w in windows])


def _answered(windows: Sequence[WeightedWindow], labels: Collection[str], answer: str) -> Share | None:
    """Of the windows with any of these labels, the share with this answer."""
    return weighted_share([_counted(w, w.says(labels), w.of.answer == answer) for w in windows])


def _over(windows: Sequence[WeightedWindow], labels: Collection[str], threshold: float) -> Share | None:
    """Of the windows with any of these labels, the share with P(upset) at or above the threshold."""
    return weighted_share([_counted(w, w.says(labels), w.upset >= threshold) for w in windows])


def _parts(
    windows: Sequence[WeightedWindow], upset: float, name: Callable[[WeightedWindow], str]
) -> tuple[AccuracySlice, ...]:
    """By name, those with enough windows to tell."""
    named: dict[str, list[WeightedWindow]] = {}
    for window in windows:
        named.setdefault(name(window), []).append(window)
    return tuple(
        AccuracySlice(key, len(own), _right(own), _over(own, UPSET, upset), _over(own, CALM, upset))
        for key, own in sorted(named.items())
        if len(own) >= LEAST
    )


def _change(windows: Sequence[WeightedWindow]) -> Figure | None:
    ordered = sorted(windows, key=lambda w: w.of.at)
    middle = len(ordered) // 2
    earlier, later = _right(ordered[:middle]), _right(ordered[middle:])
    return difference(earlier, later) if earlier and later and middle >= LEAST else None


# Figures of sums over callers.


def _sums(
    windows: Sequence[WeightedWindow], of: Callable[[WeightedWindow], list[float]]
) -> dict[str, list[float]]:
    """By caller, the sum of what each window adds."""
    sums: dict[str, list[float]] = {}
    for window in windows:
        own, more = sums.get(window.of.caller), of(window)
        sums[window.of.caller] = more if own is None else [a + b for a, b in zip(own, more, strict=True)]
    return sums


def _hits(window: WeightedWindow) -> list[float]:
    """By class: the weight that people give it, and the part of it that was answered so."""
    weights = [window.says((name,)) for name in NAMES]
    return [*weights, *(w * (window.of.answer == name) for w, name in zip(weights, NAMES, strict=True))]


def _mean_recall(sums: Sequence[float]) -> float | None:
    half = len(sums) // 2
    recalls = [hit / weight for weight, hit in zip(sums[:half], sums[half:], strict=True) if weight > 0]
    return sum(recalls) / len(recalls) if recalls else None


def _calibration(window: WeightedWindow) -> list[float]:
    """By bin of confidence: weight, weight times confidence, and weight whose best class is right."""
    sums = [0.0] * (3 * BINS)
    at = 3 * min(int(window.confidence * BINS), BINS - 1)
    sums[at : at + 3] = [window.weight, window.weight * window.confidence, window.says((window.best,))]
    return sums


def _calibration_error(sums: Sequence[float]) -> float | None:
    total = sum(sums[::3])
    gaps = (abs(said - right) for said, right in zip(sums[1::3], sums[2::3], strict=True))
    return sum(gaps) / total if total > 0 else None


def _overconfidence(sums: Sequence[float]) -> float | None:
    total = sum(sums[::3])
    return (sum(sums[1::3]) - sum(sums[2::3])) / total if total > 0 else None


def _bins(windows: Sequence[WeightedWindow]) -> tuple[Bin, ...]:
    sums = [sum(column) for column in zip(*map(_calibration, windows), strict=True)]
    total = sum(sums[::3])
    return tuple(
        Bin(said / weight, right / weight, weight / total)
        for weight, said, right in zip(sums[::3], sums[1::3], sums[2::3], strict=True)
        if weight > 0
    )
