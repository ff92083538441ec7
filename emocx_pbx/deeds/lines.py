"""Deeds on lines: showing what was learnt about them, and forgetting it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.lines import LEAST_DAYS, LineEstimate
from emocx_pbx.emotion.zero import LEAST_CALLERS, MIXES, mean_answer
from emocx_pbx.errors import InputError
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store

_EVEN: Final = "even"


@dataclass(frozen=True, slots=True)
class KnownLine:
    """What is known about a line, for people."""

    model: str
    """`name/version`."""
    line: str
    callers: int
    """Number of callers that it rests on."""
    used: bool
    """Whether answers on this line are corrected by it."""
    why_not: str
    """"" where it is used."""
    offsets: dict[str, float]
    """Offsets by label, as they are or would be applied."""
    mean: dict[str, float]
    """Mean uncorrected answer over the callers, by label."""
    at: float
    """End of the last call that it learnt from, in Unix seconds."""
    centred_callers: int
    """Number of callers that the centre rests on; 0 for a model that has no use for one."""
    centred: bool
    """Whether readings on this line are heard less that centre."""


async def known_lines(store: Store, settings: AnalysisSettings) -> list[KnownLine]:
    """Every line of every model; within a model those with the most callers first."""
    listed, mix = await store.lines.listed(), settings.line_mix
    # Hundreds of lines take a while: others must not wait for their pages meanwhile.
    found = await asyncio.to_thread(lambda: [_known(*line, mix) for line in listed])
    return sorted(found, key=lambda known: (known.model, -known.callers, known.line))


async def reset_lines(store: Store, model: str | None, line: str | None, by: Actor) -> int:
    """Forget what was learnt about one model, one line, or all; returns how many lines that were.

    Raises InputError when there is no such line.
    """
    number = await store.lines.reset(by, model, line)
    if not number and (model or line):
        raise InputError(f"nothing was learnt of {line or 'any line'} by {model or 'any model'}")
    return number


def _known(model: str, line: str, estimate: LineEstimate, at: float, mix: str) -> KnownLine:
    offsets = estimate.offsets(MIXES.get(mix, MIXES[_EVEN]))
    sums = estimate.whole()
    return KnownLine(
        model,
        line,
        int(estimate.weight),
        estimate.usable and mix != "off",
        _why_not(estimate, mix),
        {str(k): round(b, 3) for k, b in zip(LABELS, offsets, strict=True)},
        {str(k): round(p, 3) for k, p in zip(LABELS, mean_answer(sums), strict=True)},
        at,
        int(estimate.centred_callers),
        bool(estimate.centre) and mix != "off",
    )


def _why_not(estimate: LineEstimate, mix: str) -> str:
    if mix == "off":
        return "analysis.line_mix is off"
    if estimate.weight < LEAST_CALLERS:
        return f"fewer than {LEAST_CALLERS} callers"
    if estimate.days < LEAST_DAYS:
        return f"callers of fewer than {LEAST_DAYS} days"
    return ""
