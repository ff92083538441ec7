"""The accuracy page: figures from labelled windows as sentences, rows and intervals on a scale. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from emocx_pbx.review.accuracy import LEAST, Accuracy, AccuracySlice
from emocx_pbx.review.shares import Figure, Share
from emocx_pbx.store.review_rows import RoundRow, TrainingRow
from emocx_pbx.web.strings import t

#: Landis and Koch (1977): values from which agreement is called moderate, substantial.
_MODERATE: Final = 0.4
_SUBSTANTIAL: Final = 0.6
#: Share of labelled windows from which a round is not called unfinished.
_DONE: Final = 0.8
#: The order in which pages show the four.
_ORDER: Final = ("angry", "disappointed", "neutral", "happy")


@dataclass(frozen=True, slots=True)
class FigureRow:
    """A share with its interval, in words and on a scale of 0 to 100."""

    value: str
    between: str
    windows: int
    x: float
    x_low: float
    width: float


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One of the four emotions."""

    name: str
    recall: FigureRow | None
    alarms: FigureRow | None


@dataclass(frozen=True, slots=True)
class PartRow:
    """The figures of a month or a model."""

    name: str
    windows: int
    right: FigureRow | None
    found: FigureRow | None
    alarms: FigureRow | None


@dataclass(frozen=True, slots=True)
class BinRow:
    """Windows of similar confidence."""

    said: float
    right: float
    share: float


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure at the top."""

    key: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class View:
    """What the page shows."""

    windows: int
    basis: str
    warnings: tuple[str, ...]
    tiles: tuple[Tile, ...]
    classes: tuple[ClassRow, ...]
    bins: tuple[BinRow, ...]
    calibration: str
    agreement: str
    change: str
    months: tuple[PartRow, ...]
    models: tuple[PartRow, ...]


@dataclass(frozen=True, slots=True)
class TrainingView:
    """A training with its outcome."""

    row: TrainingRow
    model: str
    base: str
    why: str
    learned: int
    held_out: int
    callers: int


def accuracy_view(found: Accuracy, rounds: Sequence[RoundRow]) -> View:
    """A report as the page shows it; `rounds` are those of its kind."""
    people = t("accuracy.people", n=found.people)
    callers = t("accuracy.callers", n=found.callers)
    return View(
        found.windows,
        t("accuracy.basis", windows=found.windows, callers=callers, people=people),
        tuple(_warnings(found, rounds)),
        tuple(_tiles(found)),
        tuple(ClassRow(k, row(found.recall[k]), row(found.false_alarms[k])) for k in _ORDER),
        tuple(BinRow(b.confidence, b.right, b.share) for b in found.bins),
        _calibration(found),
        _agreement(found),
        _change(found),
        tuple(_part(part) for part in found.months),
        tuple(_part(part) for part in found.models if part.name),
    )


def row(share: Share | None) -> FigureRow | None:
    """A share on a scale; None: no window says anything about it."""
    if share is None:
        return None
    low, high = 100 * share.low, 100 * share.high
    return FigureRow(percent(share.value), _between(share), share.windows, round(100 * share.value, 2),
               round(low, 2), round(max(high - low, 0.5), 2))  # fmt: skip


def training_view(training: TrainingRow) -> TrainingView:
    """A training, its outcome read."""
    known: Mapping[str, Any] = msgspec.json.decode(training.outcome) if training.outcome else {}
    return TrainingView(
        training, known.get("model", ""), known.get("base", ""), known.get("why", ""),
        known.get("learned", 0), known.get("held_out", 0), known.get("callers", 0),
    )  # fmt: skip


def percent(value: float) -> str:
    """0.256 -> 26 %."""
    return f"{100 * value:.0f} %"


def _between(share: Share | Figure) -> str:
    if share.low is None or share.high is None:
        return t("accuracy.no_interval")
    return t("accuracy.between", low=f"{100 * share.low:.0f}", high=f"{100 * share.high:.0f}")


def _tiles(found: Accuracy) -> list[Tile]:
    shares = (
        ("right", found.right),
        ("upset_found", found.upset_found),
        ("upset_alarms", found.upset_alarms),
    )
    figures = (("uar", found.uar), ("calibration_error", found.calibration_error))
    tiles = [Tile(key, percent(s.value), _between(s)) for key, s in shares if s is not None]
    tiles += [Tile(key, percent(f.value), _between(f)) for key, f in figures if f is not None]
    if (agreed := found.agreement) is not None and agreed.kappa is not None:
        kappa, low, high = (f"{v:.2f}".replace("-", "−") for v in (agreed.kappa, agreed.low, agreed.high))
        tiles.append(Tile("kappa", kappa, t("accuracy.kappa_between", low=low, high=high)))
    return tiles


def _warnings(found: Accuracy, rounds: Sequence[RoundRow]) -> list[str]:
    words = []
    if 0 < found.windows < 5 * LEAST:
        words.append(t("accuracy.few", least=5 * LEAST))
    unfinished = [r for r in rounds if r.labelled and r.labelled < _DONE * r.items]
    if unfinished:
        words.append(t("accuracy.unfinished", n=len(unfinished)))
    if found.unclear:
        words.append(t("accuracy.unclear", n=found.unclear))
    if found.kept_out:
        words.append(t("accuracy.kept_out", n=found.kept_out))
    return words


def _calibration(found: Accuracy) -> str:
    gap = found.overconfidence
    if gap is None:
        return ""
    if gap.low is None or gap.high is None:
        return t("accuracy.calibration_unknown")
    if gap.low <= 0 <= gap.high:
        return t("accuracy.calibration_fits")
    key = "accuracy.calibration_over" if gap.value > 0 else "accuracy.calibration_under"
    return t(key, gap=f"{abs(100 * gap.value):.0f}")


def _agreement(found: Accuracy) -> str:
    agreed = found.agreement
    if agreed is None:
        return t("accuracy.agreement_none")
    words = t("accuracy.agreement", n=agreed.pairs, share=percent(agreed.observed))
    if agreed.kappa is None:
        return words
    if agreed.kappa >= _SUBSTANTIAL:
        return f"{words} {t('accuracy.agreement_substantial')}"
    if agreed.kappa >= _MODERATE:
        return f"{words} {t('accuracy.agreement_moderate')}"
    return f"{words} {t('accuracy.agreement_weak')}"


def _change(found: Accuracy) -> str:
    change = found.change
    if change is None or change.low is None or change.high is None:
        return t("accuracy.change_unknown", least=2 * LEAST)
    low, high = sorted((abs(100 * change.low), abs(100 * change.high)))
    if change.high < 0:
        return t("accuracy.change_worse", low=f"{low:.0f}", high=f"{high:.0f}")
    if change.low > 0:
        return t("accuracy.change_better", low=f"{low:.0f}", high=f"{high:.0f}")
    return t("accuracy.change_none")


def _part(part: AccuracySlice) -> PartRow:
    return PartRow(part.name, part.windows, row(part.right), row(part.upset_found), row(part.upset_alarms))
