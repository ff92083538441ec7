"""The grade of one agent's segment: a published sum over the customer's readings.

    score = base + mean * M + end * E + course * (R + D) + start * (E - S) / 2, held within 0..100

M: mean level after the opening. E: level in the last quarter. R and D: recoveries and deteriorations, the sum
of the rises (falls) of level, each times u(1 - u), where u is its place between opening (0) and end (1). S:
level before this agent, from routing or the agent before. All are measured in seconds of customer speech.
docs/grading.md derives the promises that tests hold it to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from emocx_pbx.domain import Contribution, Grade, Reading, Scores
from emocx_pbx.grading.level import (
    Confusion,
    Jump,
    Step,
    jumps_between,
    level_between,
    readings_between,
    steps_of,
)
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.words import jump_words, level_words


def grade(
    readings: Sequence[Reading],
    rubric: Rubric,
    routing: Scores | None = None,
    *,
    confusion: Confusion | None = None,
    facts: Mapping[str, Any] | None = None,
    unsettled: Sequence[Reading] | None = None,
) -> Grade:
    """The grade of a segment's readings (cut to the segment: see segments.cut_readings).

    Args:
        readings: The customer's readings in the segment.
        rubric: The formula's numbers.
        routing: How the customer arrived: the query's scores, or those before a transfer.
        confusion: The speech model's confusion matrix on its test set, for the range.
        facts: Talk share, interruptions and so on; kept beside the grade. Those the rubric names
            in [facts] also cost points.
        unsettled: The same readings before they were made consistent (settle.py), for the range: neighbours
            that agree don't make a model surer of a caller whom it misreads throughout.

    Returns:
        A Grade; score, letter, low and high are None where there is less evidence than the rubric requires.
    """
    evidence = evidence_of(readings)
    shown = dict(facts or {})
    steps = steps_of(readings, rubric.valence.vector(), confusion)
    if evidence < rubric.evidence.min_speech_s or not steps:
        return Grade(None, None, None, None, evidence, (), rubric.version, shown)

    total = steps[-1].end
    opening = min(rubric.opening.seconds, rubric.opening.share * total)
    ending = total * (1 - rubric.end.share)
    start = _level_of(routing, rubric) if routing is not None else None
    lines = [
        Contribution("base", rubric.points.base, "Every grade starts here: a neutral conversation."),
        _mean_line(steps, opening, total, rubric),
        _end_line(steps, ending, total, rubric),
        *_change_lines(steps, opening, total, rubric),
    ]
    if start is not None:
        lines.append(_start_line(steps, ending, total, start, rubric))
    lines += _fact_lines(shown, rubric)
    exact = math.fsum(line.points for line in lines)
    score = min(100.0, max(0.0, exact))
    if score != exact:
        lines.append(Contribution("limit", score - exact, "A grade is at least 0 and at most 100."))
    doubts = steps if unsettled is None else steps_of(unsettled, rubric.valence.vector(), confusion)
    reach = rubric.range.z * _deviation(doubts, opening, ending, start is not None, rubric)
    shown |= {
        "opening_level": round(level_between(steps, 0.0, opening), 3) if opening > 0 else None,
        "start_level": None if start is None else round(start, 3),
        "mean_level": round(level_between(steps, opening, total), 3),
        "end_level": round(level_between(steps, ending, total), 3),
    }
    rounded = round(score, 2)
    return Grade(
        score=rounded,
        letter=rubric.letter(rounded),
        low=round(max(0.0, score - reach), 2),
        high=round(min(100.0, score + reach), 2),
        evidence_s=evidence,
        contributions=_rounded(lines, rounded),
        rubric=rubric.version,
        facts=shown,
    )


def evidence_of(readings: Sequence[Reading]) -> float:
    """Seconds of customer speech heard: windows that overlap are not counted twice."""
    union, reached = 0.0, -math.inf
    for reading in sorted(readings, key=lambda r: r.t0):
        union += max(0.0, reading.t1 - max(reading.t0, reached))
        reached = max(reached, reading.t1)
    # Rounded, or the last bit would distinguish a reading from its two halves.
    return round(min(union, math.fsum(max(0.0, r.speech_s) for r in readings)), 6)


def _level_of(scores: Scores, rubric: Rubric) -> float:
    return sum(p * v for p, v in zip(scores.probabilities, rubric.valence.vector(), strict=True))


def _mean_line(steps: Sequence[Step], opening: float, total: float, rubric: Rubric) -> Contribution:
    level = level_between(steps, opening, total)
    detail = f"After the opening the customer's speech had {level_words(level)} signals on average."
    return Contribution("mean", rubric.points.mean * level, detail, readings_between(steps, opening, total))


def _end_line(steps: Sequence[Step], ending: float, total: float, rubric: Rubric) -> Contribution:
    level = level_between(steps, ending, total)
    detail = f"In the last {total - ending:.0f} s of speech there were {level_words(level)} signals."
    return Contribution("end", rubric.points.end * level, detail, readings_between(steps, ending, total))


def _change_lines(steps: Sequence[Step], opening: float, total: float, rubric: Rubric) -> list[Contribution]:
    """Recoveries and deteriorations.

    Their sum is the integral of level x (2u - 1): the same levels count for more the later they
    are. Changes in the middle weigh most, since they are neither how it began nor how it ended.
    """
    jumps = jumps_between(steps, opening, total)
    lines = []
    for name, chosen in (
        ("recoveries", [j for j in jumps if j.change > 0]),
        ("deteriorations", [j for j in jumps if j.change < 0]),
    ):
        if chosen:
            points = rubric.points.changes * math.fsum(_weight(j) * j.change for j in chosen)
            largest = max(chosen, key=lambda j: abs(_weight(j) * j.change))
            touched = tuple(sorted({i for j in chosen for i in (j.before, j.after)}))
            lines.append(Contribution(name, points, jump_words(steps, chosen, largest), touched))
    return lines


def _weight(jump: Jump) -> float:
    return jump.position * (1 - jump.position)


def _start_line(
    steps: Sequence[Step], ending: float, total: float, start: float, rubric: Rubric
) -> Contribution:
    change = level_between(steps, ending, total) - start
    how = "better than that" if change > 0.05 else "worse than that" if change < -0.05 else "much the same"
    detail = f"The customer came with {level_words(start)} signals; the end was {how}."
    return Contribution(
        "start", rubric.points.start * change / 2, detail, readings_between(steps, ending, total)
    )


def _fact_lines(facts: Mapping[str, Any], rubric: Rubric) -> list[Contribution]:
    lines = []
    for name, points in (
        ("interruptions_per_minute", rubric.facts.interruptions_per_minute),
        ("dead_air_share", rubric.facts.dead_air_share),
        ("hold_share", rubric.facts.hold_share),
    ):
        value = facts.get(name)
        if points > 0 and value:
            detail = f"{name.replace('_', ' ').capitalize()}: {float(value):.2f} (this site's rubric)."
            lines.append(Contribution(name, -points * float(value), detail))
    return lines


def _deviation(
    steps: Sequence[Step], opening: float, ending: float, with_start: bool, rubric: Rubric
) -> float:
    """Standard deviation of the score, from the spreads of the readings.

    The score is linear in the levels. Errors within a block of speech are treated as one error, those of
    different blocks as correlated; blocks lie on the axis of speech, so that splitting readings changes
    nothing.
    """
    total = steps[-1].end
    blocks = max(1, math.ceil(total / rubric.range.block_s))
    width = total / blocks
    points = rubric.points
    parts = [0.0] * blocks
    for step in steps:
        for block in range(int(step.begin / width), min(blocks, math.ceil(step.end / width))):
            a, b = max(step.begin, block * width), min(step.end, (block + 1) * width)
            judged = b - max(a, opening)
            if judged > 0:
                u = ((b - judged / 2) - opening) / (total - opening)
                per_s = (points.mean + points.changes * (2 * u - 1)) / (total - opening)
                parts[block] += step.spread * judged * per_s
            late = b - max(a, ending)
            if late > 0:
                ends = points.end + (points.start / 2 if with_start else 0.0)
                parts[block] += step.spread * late * ends / (total - ending)
    rho = rubric.range.correlation
    return math.sqrt((1 - rho) * math.fsum(p * p for p in parts) + rho * math.fsum(parts) ** 2)


def _rounded(lines: Sequence[Contribution], score: float) -> tuple[Contribution, ...]:
    """Lines with two decimals that add up to the score; the largest absorbs what rounding leaves."""
    rounded = [replace(line, points=round(line.points, 2)) for line in lines]
    rest = round(score - math.fsum(line.points for line in rounded), 2)
    if rest:
        at = max(range(1, len(rounded)), key=lambda i: abs(rounded[i].points))
        rounded[at] = replace(rounded[at], points=round(rounded[at].points + rest, 2))
    return tuple(rounded)
