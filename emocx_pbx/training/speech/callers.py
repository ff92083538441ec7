"""Adaptation to a caller: what it learns from many speakers, and callers assembled to measure it.

Two kinds of callers: of mixed emotions (each earlier clip of a random class) and of one emotion only
(all earlier clips of the class of the clip that is judged), which a careless adaptation would call neutral.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.adaptation import Adaptation, AdaptationInputs, CallerSession
from emocx_pbx.emotion.centred import Centred
from emocx_pbx.emotion.speech import SpeechClassifier
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.training.figures import uar
from emocx_pbx.training.speech.data import Clip, labels_of, on_line
from emocx_pbx.training.speech.relative import CONTRASTS, Relative

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_CLASSES: Final = len(LABELS)
#: Least variance of a voice's offsets, against the noise's 1.
_LEAST: Final = 1e-3
#: Number of the caller's earlier clips, before the one that is judged.
EARLIER: Final = 8
KINDS: Final = ("mixed", "one_emotion")


@dataclass(frozen=True, slots=True)
class Unheard:
    """What a model says about clips (n,) of many speakers, by parts that never heard the speaker."""

    contrasts: Floats
    """(n, 3) of the relative map."""
    log_p: Floats
    """(n, 4) of all."""
    known: Floats
    """(n,): how much the heads are trusted."""
    labels: Ints
    voices: Names
    corpora: Names
    folds: Ints


def learn_prior(
    unheard: Unheard, whole: Relative, chosen: Bools | None = None
) -> tuple[dict[str, Floats], Doubles]:
    """Arrays of a CallerPrior, and the clips' points (n, k) in its space. Only the `chosen` clips are learnt
    from.

    The space: the three directions in which log probabilities differ, and the three in which a speaker's
    emotions differ from that speaker's own mean, by maps like `whole`, the model's own.
    """
    z = np.concatenate((unheard.contrasts, unheard.log_p @ CONTRASTS), axis=1).astype(np.float64)
    some = np.ones(len(z), np.bool_) if chosen is None else chosen
    means, noise, shared, own = variances(
        z[some], unheard.labels[some], unheard.voices[some], unheard.corpora[some]
    )
    # Directions in which noise has variance 1 and what voices add is independent.
    scale, axes = np.linalg.eigh(noise)
    whiten = axes / np.sqrt(np.maximum(scale, 1e-9))
    _, turn = np.linalg.eigh(whiten.T @ shared @ whiten)
    whiten = whiten @ turn
    # The projection has no constant: what the map adds to all measurements is subtracted from the means
    # instead.
    away = whole.bias @ whiten[:3]
    arrays = {
        "project": np.concatenate((whole.weights @ whiten[:3], CONTRASTS @ whiten[3:])).astype(np.float32),
        "means": (means @ whiten - away).astype(np.float32),
        "shared": np.maximum(np.diag(whiten.T @ shared @ whiten), _LEAST).astype(np.float32),
        "own": np.maximum(np.diag(whiten.T @ own @ whiten), _LEAST).astype(np.float32),
    }
    return arrays, z @ whiten - away


def check_teaches(labels: Ints, voices: Names, folds: Ints) -> None:
    """Raise InputError unless clips (n,) teach how voices differ, whichever fold is kept out.

    For that, each emotion has two clips of some speaker, and some speaker has two clips each of three.
    """
    for k in np.unique(folds):
        rest = folds != k
        sizes = Counter(zip(voices[rest].tolist(), labels[rest].tolist(), strict=True))
        cells = [cell for cell, size in sizes.items() if size > 1]
        most = max(Counter(voice for voice, _ in cells).values(), default=0)
        if len({label for _, label in cells}) < _CLASSES or most < 3:
            raise InputError(
                "too few clips of the same speakers: two clips each of three emotions are needed of several "
                "speakers, and two of every emotion; tune a shipped model instead (--base)"
            )


def variances(
    z: Doubles, labels: Ints, voices: Names, corpora: Names
) -> tuple[Doubles, Doubles, Doubles, Doubles]:
    """Class means (4, d), and covariances (d, d) of noise, of a voice's offset to all classes and to one.

    Moments of the means of each speaker's clips of each class, less what noise adds to them; speakers of a
    corpus with many count for less.
    """
    corpus_of = dict(zip(voices, corpora, strict=True))
    sizes = Counter(corpus_of.values())
    cells = {(v, k): z[(voices == v) & (labels == k)] for v in corpus_of for k in range(_CLASSES)}
    cells = {key: rows for key, rows in cells.items() if len(rows) > 1}
    share = {v: sizes[c] ** -0.5 for v, c in corpus_of.items()}
    means = np.array([
        np.average([rows.mean(axis=0) for (_, j), rows in cells.items() if j == k], axis=0,
                   weights=[share[v] for v, j in cells if j == k])
        for k in range(_CLASSES)
    ])  # fmt: skip
    noise = np.average(
        [np.cov(rows.T) for rows in cells.values()], axis=0, weights=[share[v] for v, _ in cells]
    )
    shared, own, weights = [], [], []
    for v in corpus_of:
        kinds = [k for k in range(_CLASSES) if (v, k) in cells]
        if len(kinds) < 3:
            continue
        away = np.array([cells[v, k].mean(axis=0) - means[k] for k in kinds])
        blur = noise * np.mean([1 / len(cells[v, k]) for k in kinds])
        middle = away.mean(axis=0)
        apart = (away - middle).T @ (away - middle) / (len(kinds) - 1)
        own.append(apart - blur)
        shared.append(np.outer(middle, middle) - apart / len(kinds))
        weights.append(share[v])
    return means, noise, np.average(shared, axis=0, weights=weights), np.average(own, axis=0, weights=weights)


def histories(labels: Ints, voices: Names, kind: str, seed: int) -> list[list[int]]:
    """For each clip, EARLIER others of its speaker then itself; without others none."""
    rng = np.random.default_rng(seed)
    rows = []
    for i, (label, voice) in enumerate(zip(labels, voices, strict=True)):
        others = np.flatnonzero(voices == voice)
        others = others[others != i]
        if kind == "one_emotion":
            others = others[labels[others] == label]
        groups = [g for k in range(len(LABELS)) if len(g := others[labels[others] == k])]
        if groups:
            chosen = rng.integers(len(groups), size=EARLIER)
            rows.append([*(int(rng.choice(groups[k])) for k in chosen), i])
    return rows


def adapted(
    model: Adaptation,
    inputs: AdaptationInputs,
    rows: Sequence[Sequence[int]],
    neutral_share: float = 1 / _CLASSES,
) -> Floats:
    """Log probabilities (rows, 4) of each history's last clip, all of it heard in order."""
    out = []
    for row in rows:
        caller = CallerSession(model, neutral_share)
        for i in row:
            said = caller.hear(inputs, i)
        out.append(said)
    return np.array(out, np.float32)


def caller_figures(
    model: Adaptation,
    inputs: AdaptationInputs,
    labels: Ints,
    voices: Names,
    seed: int,
    neutral_share: float = 1 / _CLASSES,
) -> dict[str, Any]:
    """UAR of plain readings and for both kinds of callers, from clips as they are heard."""
    found: dict[str, Any] = {"unadapted": round(uar(labels, inputs.log_p.argmax(axis=1)), 4)}
    for kind in KINDS:
        rows = histories(labels, voices, kind, seed)
        best = adapted(model, inputs, rows, neutral_share).argmax(axis=1)
        found[kind] = round(uar(labels[[row[-1] for row in rows]], best), 4)
    return found


def cross_fitted_figures(
    unheard: Unheard,
    whole: Relative,
    centred: Mapping[int, Centred],
    measured: Floats,
    seed: int,
    recipe: Mapping[str, Any],
) -> dict[str, Any]:
    """The result of `caller_figures`, with each clip (n,) judged by parts that never heard the speakers of
    its fold.

    `centred` holds the heads of each fold, for clips as measured (n, width); `recipe` is the adaptation's.
    """
    by_fold = {}
    for k in np.unique(unheard.folds):
        arrays, points = learn_prior(unheard, whole, unheard.folds != k)
        model = replace(Adaptation.of(arrays, recipe), centred=centred[int(k)])
        by_fold[int(k)] = (
            model,
            AdaptationInputs(unheard.log_p, points, centred[int(k)].places(measured), unheard.known),
        )
    labels = unheard.labels
    found: dict[str, Any] = {"unadapted": round(uar(labels, unheard.log_p.argmax(axis=1)), 4)}
    for kind in KINDS:
        truth, best = [], []
        for k, (model, inputs) in by_fold.items():
            rows = [r for r in histories(labels, unheard.voices, kind, seed) if unheard.folds[r[-1]] == k]
            truth += [labels[row[-1]] for row in rows]
            best += list(adapted(model, inputs, rows).argmax(axis=1)) if rows else []
        found[kind] = round(uar(np.array(truth), np.array(best)), 4)
    return found


def measured_callers(
    classifier: SpeechClassifier,
    clips: Sequence[Clip],
    neutral_shares: Sequence[float],
    tell: Callable[[int, int], None],
) -> dict[str, Any]:
    """Figures of a model on callers assembled from clips' own speakers, for each expected share of neutral.

    For a long clip the mean of its parts counts.

    Raises ModelError if the model does not adapt.
    """
    if classifier.caller is None:
        raise ModelError(f"{classifier.name} does not adapt to callers")
    measured, log_p = [], []
    for done, clip in enumerate(clips, 1):
        parts = classifier.measure(on_line(clip.samples))
        measured.append(np.mean(parts, axis=0))
        log_p.append(np.log(np.mean([classifier.calibrated(m) for m in parts], axis=0) + 1e-9))
        tell(done, len(clips))
    labels, voices = labels_of(clips), np.array([c.voice for c in clips])
    logs = np.array(log_p, np.float32)
    inputs = classifier.caller.inputs(np.array(measured), logs)
    return {
        f"{EARLIER} earlier clips, {share:.2f} neutral expected": caller_figures(
            classifier.caller, inputs, labels, voices, 1, share
        )
        for share in neutral_shares
    }
