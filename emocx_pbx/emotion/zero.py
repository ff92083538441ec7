"""The zero of a line: what a model answers for the callers there, and offsets that take it back.

On recordings that a model never heard it ranks emotions well and answers with a lean: a telephone line,
a language or a way of speaking makes all its callers sound a little angry, say. From the plain answers
for many different callers, without labels, four offsets follow: added to the log probabilities, they
make the callers' mean answer equal the mix that is expected of a site's callers, once that mix itself is
taken into account (models are calibrated on equally frequent classes; Saerens et al. 2002, Neural
Computation 14). So they hold what the line adds. A part of the expectation is kept with them: without it
neutral callers are taken for angry too often, with all of it angry ones for neutral.

Of each caller only sums are kept, in which no voice can be found again. Pure, and without numpy: the
controller learns, a worker applies.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from emocx_pbx.domain import LABELS

_CLASSES: Final = len(LABELS)
#: Three orthogonal differences between the logarithms of four probabilities.
_CONTRASTS: Final = ((0.5, 0.5, -0.5, -0.5), (0.5, -0.5, 0.5, -0.5), (0.5, -0.5, -0.5, 0.5))
_DIRECTIONS: Final = len(_CONTRASTS)
_PAIRS: Final = tuple((i, j) for i in range(_DIRECTIONS) for j in range(i, _DIRECTIONS))
#: Sums of the answers of which one class is the best: how many, their contrasts, products of contrasts.
_GROUP: Final = 1 + _DIRECTIONS + len(_PAIRS)
#: Numbers in a line's sums.
SIZE: Final = _CLASSES * _GROUP

#: Callers from which on offsets are used.
LEAST_CALLERS: Final = 60
#: No lean of a line is taken for larger than this (natural logarithm; a factor of 2.7 in the odds).
BOUND: Final = 1.0
#: Of the expected mix, as a prior, this much is kept (an exponent; chosen on corpora left out).
KEPT: Final = 0.3
#: Callers by whom the estimate is drawn to no offset at all.
_DRAWN: Final = 10.0
#: Probabilities under this one count as it.
_LEAST_P: Final = 1e-4
#: Steps towards the offsets at most, and the (natural) logarithm's error at which they end.
_STEPS: Final = 60
_NEAR: Final = 1e-4

#: The expected mix of a site's callers: share of neutral speech, and what it is for.
MIXES: Final = {"calls": 0.8, "even": 1 / _CLASSES}

NO_SUMS: Final = (0.0,) * SIZE


def caller_sums(answers: Sequence[Sequence[float]]) -> tuple[float, ...]:
    """Sums (SIZE,) of one caller's plain answers (n, 4): they count as one in all, however many."""
    sums = [0.0] * SIZE
    for answer in answers:
        z = _contrasts(answer)
        start = _GROUP * max(range(_CLASSES), key=answer.__getitem__)
        values = (1.0, *z, *(z[i] * z[j] for i, j in _PAIRS))
        for at, value in enumerate(values, start):
            sums[at] += value / len(answers)
    return tuple(sums)


def added(sums: Sequence[float], more: Sequence[float], times: float = 1.0) -> tuple[float, ...]:
    """The one plus this many times the other."""
    return tuple(a + times * b for a, b in zip(sums, more, strict=True))


def callers_in(sums: Sequence[float]) -> float:
    """How many callers sums are of."""
    return sum(sums[::_GROUP])


def mean_answer(sums: Sequence[float], offsets: Sequence[float] = (0.0,) * _CLASSES) -> tuple[float, ...]:
    """The callers' mean answer (4,), with offsets; an even one where there are no callers.

    It is told from the sums alone, to within about a hundredth.
    """
    return _mean(_nodes(sums), offsets)


def offsets_of(sums: Sequence[float], neutral_share: float) -> tuple[float, ...]:
    """Offsets (4,), of mean 0: what takes the line's lean back, and a part of what is expected.

    The lean, within BOUND: without it, and with the expected mix as a prior, the mean answer is that mix:
    `neutral_share` of the callers' speech neutral, and the rest even.
    """
    callers = callers_in(sums)
    if callers <= 0:
        return (0.0,) * _CLASSES
    rest = (1 - neutral_share) / (_CLASSES - 1)
    wanted = [neutral_share if str(label) == "neutral" else rest for label in LABELS]
    nodes, raised = _nodes(sums), [math.log(w) for w in wanted]
    for _ in range(_STEPS):
        mean = _mean(nodes, raised)
        off = [math.log(w / m) for w, m in zip(wanted, mean, strict=True)]
        raised = [b + o for b, o in zip(raised, off, strict=True)]
        if max(map(abs, off)) < _NEAR:
            break
    offsets = [b - math.log(w) for b, w in zip(raised, wanted, strict=True)]
    middle, drawn = sum(offsets) / _CLASSES, callers / (callers + _DRAWN)
    back = [max(-BOUND, min(BOUND, drawn * (b - middle))) for b in offsets]
    found = [b + KEPT * math.log(w) for b, w in zip(back, wanted, strict=True)]
    return tuple(b - sum(found) / _CLASSES for b in found)


def moved(probabilities: Sequence[float], offsets: Sequence[float]) -> tuple[float, ...]:
    """Probabilities (4,) with offsets (4,) added to their logarithms."""
    raised = [max(p, 1e-9) * math.exp(b) for p, b in zip(probabilities, offsets, strict=True)]
    total = math.fsum(raised)
    return tuple(r / total for r in raised)


def _contrasts(answer: Sequence[float]) -> tuple[float, ...]:
    logs = [math.log(max(p, _LEAST_P)) for p in answer]
    return tuple(sum(c * x for c, x in zip(row, logs, strict=True)) for row in _CONTRASTS)


def _nodes(sums: Sequence[float]) -> list[tuple[float, tuple[float, ...]]]:
    """Weighted answers (log probabilities, up to a constant) that stand for all in the sums.

    Each class' group counts as normally distributed; six points a group then give means of smooth
    functions exactly up to the third order (Arasaratnam & Haykin 2009).
    """
    nodes = []
    for k in range(_CLASSES):
        n, *rest = sums[k * _GROUP : (k + 1) * _GROUP]
        if n <= 0:
            continue
        mean = [s / n for s in rest[:_DIRECTIONS]]
        cov = [[0.0] * _DIRECTIONS for _ in range(_DIRECTIONS)]
        for (i, j), s in zip(_PAIRS, rest[_DIRECTIONS:], strict=True):
            cov[i][j] = cov[j][i] = s / n - mean[i] * mean[j]
        reach = math.sqrt(_DIRECTIONS)
        for column in _root(cov):
            for sign in (reach, -reach):
                z = [m + sign * c for m, c in zip(mean, column, strict=True)]
                logs = tuple(
                    sum(row[c] * v for row, v in zip(_CONTRASTS, z, strict=True)) for c in range(_CLASSES)
                )
                nodes.append((n / (2 * _DIRECTIONS), logs))
    return nodes


def _root(cov: Sequence[Sequence[float]]) -> list[list[float]]:
    """Columns of the lower Cholesky factor; directions without spread are left at 0."""
    factor = [[0.0] * _DIRECTIONS for _ in range(_DIRECTIONS)]
    for j in range(_DIRECTIONS):
        left = cov[j][j] - sum(factor[j][k] ** 2 for k in range(j))
        if left <= 1e-9:
            continue
        factor[j][j] = math.sqrt(left)
        for i in range(j + 1, _DIRECTIONS):
            dot = sum(factor[i][k] * factor[j][k] for k in range(j))
            factor[i][j] = (cov[i][j] - dot) / factor[j][j]
    return [[factor[i][j] for i in range(_DIRECTIONS)] for j in range(_DIRECTIONS)]


def _mean(nodes: Sequence[tuple[float, Sequence[float]]], offsets: Sequence[float]) -> tuple[float, ...]:
    total, mean = 0.0, [0.0] * _CLASSES
    for weight, logs in nodes:
        raised = [math.exp(x + b) for x, b in zip(logs, offsets, strict=True)]
        share = weight / math.fsum(raised)
        mean = [m + share * r for m, r in zip(mean, raised, strict=True)]
        total += weight
    return tuple(m / total for m in mean) if total > 0 else (1 / _CLASSES,) * _CLASSES
