"""The rubric: the numbers of the grade's formula, a versioned TOML file that a site may edit."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from emocx_pbx.domain import LABELS
from emocx_pbx.errors import SettingsError

BUILT_IN: Final = Path(__file__).parent / "rubric_v1.toml"

#: Letter of a score below the rubric's last one.
LAST_LETTER: Final = "E"

Share = Annotated[float, Meta(ge=0, le=1)]
Level = Annotated[float, Meta(ge=-1, le=1)]
Points = Annotated[float, Meta(ge=0, le=100)]


class _Table(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A TOML table; unknown names are refused."""


class Valences(_Table, frozen=True):
    """What each class is worth, -1 to 1."""

    angry: Level
    neutral: Level
    disappointed: Level
    happy: Level

    def vector(self) -> tuple[float, ...]:
        """The valences in LABELS' order."""
        return tuple(float(getattr(self, str(label))) for label in LABELS)


class Evidence(_Table, frozen=True):
    """How much customer speech a grade needs, and how far readings inform each other."""

    min_speech_s: Annotated[float, Meta(ge=1, le=600)]
    stay_s: Annotated[float, Meta(ge=0, le=600)] = 0.0
    """Mean seconds of speech in one class, by which readings are made consistent; 0: taken as they are."""


class Opening(_Table, frozen=True):
    """The first part of the customer's speech, which counts neither for nor against."""

    seconds: Annotated[float, Meta(ge=0, le=600)]
    share: Annotated[float, Meta(ge=0, le=0.75)]


class End(_Table, frozen=True):
    """The last part of the customer's speech."""

    share: Annotated[float, Meta(gt=0, le=1)]


class PointTable(_Table, frozen=True):
    """Points for a level or course of 1."""

    base: Points
    mean: Points
    end: Points
    changes: Points = msgspec.field(name="course")
    start: Points


class FactPoints(_Table, frozen=True):
    """Points lost for facts beside the signals; 0 keeps them out of the grade."""

    interruptions_per_minute: Points = 0.0
    dead_air_share: Points = 0.0
    hold_share: Points = 0.0


class Range(_Table, frozen=True):
    """How the model's confusions become the range of a grade."""

    z: Annotated[float, Meta(ge=0, le=4)]
    block_s: Annotated[float, Meta(gt=0, le=600)]
    correlation: Share


class Rubric(_Table, frozen=True):
    """One version of the formula; docs/grading.md says what each number does."""

    version: Annotated[str, Meta(min_length=1, max_length=40)]
    valence: Valences
    evidence: Evidence
    opening: Opening
    end: End
    points: PointTable
    letters: dict[str, Points]
    range: Range
    facts: FactPoints = FactPoints()

    def letter(self, score: float) -> str:
        """The letter of a score, 0 to 100."""
        return next((name for name, least in self.letters.items() if score >= least), LAST_LETTER)


def load_rubric(path: Path | None = None) -> Rubric:
    """The rubric in a TOML file; None: rubric v1 as shipped.

    Raises:
        SettingsError: the file is missing, not TOML, or a number would make the grade unfair.
    """
    file = BUILT_IN if path is None else path
    try:
        rubric = msgspec.convert(tomllib.loads(file.read_text(encoding="utf-8")), Rubric)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"rubric {file}: can't be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"rubric {file}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise SettingsError(f"rubric {file}: {error}") from error
    if problem := _unfair(rubric):
        raise SettingsError(f"rubric {file}: {problem}")
    return rubric


def _unfair(rubric: Rubric) -> str | None:
    """Why the promises of docs/grading.md would not hold, or None."""
    points, valence = rubric.points, rubric.valence
    if points.changes > points.mean:
        return "points.course must not exceed points.mean: a better early reading could lower the grade"
    if rubric.opening.share + rubric.end.share > 1:
        return "opening.share and end.share together must not exceed 1: the end would count as opening"
    if not valence.angry <= valence.disappointed <= valence.neutral <= valence.happy:
        return "valence must rise from angry over disappointed and neutral to happy"
    least = list(rubric.letters.values())
    if least != sorted(set(least), reverse=True):
        return "letters must be listed from the best down, each with a lower score"
    return None
