"""Evaluates a speech model on labelled clips, each as a telephone would deliver it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import SpeechClassifier, load_speech
from emocx_pbx.training.compare import compare
from emocx_pbx.training.figures import figures
from emocx_pbx.training.signals import intervals, signals
from emocx_pbx.training.speech.callers import measured_callers
from emocx_pbx.training.speech.data import Clip, labels_of, on_line, read_clips
from emocx_pbx.training.speech.sites import SitePlaces, at_site, check_size, mean_figures

Progress = Callable[[int, int], None]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Site:
    """The sites at which clips are heard (see `sites`)."""

    callers: int
    mix: str
    """calls or even."""


def evaluate_speech(
    clips_csv: Path,
    root: Path | None = None,
    split: str | None = "test",
    model: str = "auto",
    models_dir: Path | None = None,
    progress: Progress | None = None,
    against: str | None = None,
    callers: Sequence[float] = (),
    site: Site | None = None,
) -> dict[str, Any]:
    """Figures of a speech model on a clips.csv, per corpus and pooled.

    `model` is `name`, `name/version` or `auto` (what a new installation uses); `split` None or "all"
    takes every clip. Every clip goes through G.711 mu-law at 8 kHz. Keys: model, split, labels,
    skipped (rows of other emotions), pooled and corpora.<name>, each of these two with uar, accuracy,
    macro_f1, recall, confusion (rows true; columns predicted in the order of labels, "uncertain"
    last), ece, coverage, ms_per_clip (median, on one thread), anger_auc, upset_auc, neutral_as_angry
    (share of neutral clips whose best class is angry) and interval_90 (of uar and these three, over
    speakers). With `site` the figures are for clips heard with the offsets of sites with that many other
    callers, averaged over `draws` sites per speaker; `site` names them, and `without_site` holds the plain
    figures. With `against`, an older model, there are also `against` (its figures) and `comparison` (see
    compare). With `callers`, expected shares of neutral speech: UAR after eight earlier clips of the caller,
    of mixed emotions or of this one only. Raises InputError or ModelError.
    """
    if site is not None:
        check_size(site.callers, site.mix)
    registry = Registry(models_dir)
    classifier = load_speech(registry, model)
    older = None if against is None else load_speech(registry, against)
    read = read_clips(clips_csv, root, split)
    clips, rounds = list(read.clips), 1 + (older is not None) + bool(callers)

    def progress_from(before: int) -> Progress:
        return lambda done, of: progress(before + done, rounds * of) if progress else None

    answers = answer(classifier, clips, progress_from(0))
    probabilities, seconds = answers.probabilities, answers.seconds
    result = summary(clips, probabilities, seconds, classifier.card.threshold)
    found = {"model": classifier.name, "split": split or "all", **result, "skipped": read.skipped}
    if site is not None:
        found |= with_site(clips, answers, classifier.card.threshold, site, result)
    if callers:
        found["callers"] = measured_callers(
            classifier, clips, callers, progress_from((rounds - 1) * len(clips))
        )
    if older is None:
        return found
    before, took = predict(older, clips, progress_from(len(clips)))
    found["against"] = {"model": older.name, **summary(clips, before, took, older.card.threshold)}
    found["comparison"] = compare(labels_of(clips), before, probabilities, [c.voice for c in clips])
    return found


@dataclass(frozen=True, slots=True)
class ClipAnswers:
    """What a model says of n clips."""

    probabilities: npt.NDArray[np.float32]
    """(n, 4), plain."""
    seconds: npt.NDArray[np.float64]
    """(n,) of work."""
    placed: SitePlaces | None
    """None for a model without heads on measurements less a site's centre."""


def predict(
    classifier: SpeechClassifier, clips: list[Clip], progress: Progress | None = None
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float64]]:
    """Probabilities (n, 4) and seconds of work (n,) for each clip."""
    answers = answer(classifier, clips, progress)
    return answers.probabilities, answers.seconds


def answer(
    classifier: SpeechClassifier, clips: Sequence[Clip], progress: Progress | None = None
) -> ClipAnswers:
    """What the model says of each clip, as a telephone would deliver it."""
    caller = classifier.caller
    centred, site = (caller.centred, caller.site) if caller else (None, None)
    rows, seconds, places, known = [], [], [], []
    for done, clip in enumerate(clips, 1):
        samples = on_line(clip.samples)
        start = time.perf_counter()
        measured = classifier.measure(samples)
        rows.append(np.mean([classifier.calibrated(m) for m in measured], axis=0))
        seconds.append(time.perf_counter() - start)
        if centred is not None and site is not None:
            places.append(centred.places(np.array(measured)).mean(axis=0))
            known.append(centred.known(np.array(measured)).mean())
        if progress is not None:
            progress(done, len(clips))
    p = np.array(rows, np.float32)
    if site is None or not places:
        return ClipAnswers(p, np.array(seconds), None)
    heads = {c.corpus: site for c in clips}
    placed = SitePlaces(np.array(places, np.float32), np.array(known, np.float32), heads)
    return ClipAnswers(p, np.array(seconds), placed)


def summary(
    clips: list[Clip],
    probabilities: npt.NDArray[np.float32],
    seconds: npt.NDArray[np.float64] | None,
    threshold: float,
) -> dict[str, Any]:
    """`labels`, `pooled` and `corpora` of predicted clips."""
    truth, voices = labels_of(clips), np.array([c.voice for c in clips])

    def of(chosen: Bools) -> dict[str, Any]:
        y, p = truth[chosen], probabilities[chosen]
        found = {**figures(y, p, threshold), **signals(y, p)}
        if seconds is not None:
            found["ms_per_clip"] = round(1e3 * float(np.median(seconds[chosen])), 2)
        found["interval_90"] = intervals(voices[chosen], lambda rows: signals(y[rows], p[rows]))
        return found

    return {"labels": [str(label) for label in LABELS], **_by_corpus(clips, of)}


def with_site(
    clips: Sequence[Clip],
    answered: ClipAnswers,
    threshold: float,
    site: Site,
    plain: dict[str, Any],
) -> dict[str, Any]:
    """`site`, `pooled` and `corpora` of clips heard at sites; `without_site` holds these two as in
    `plain`.
    """
    truth, voices = labels_of(clips), np.array([c.voice for c in clips])
    answers = at_site(answered.probabilities, truth, voices, site.callers, site.mix, placed=answered.placed)
    # (draws, n, 4)

    def of(chosen: Bools) -> dict[str, Any]:
        y, draws = truth[chosen], answers[:, chosen]

        def measure(rows: npt.NDArray[np.int64]) -> dict[str, float | None]:
            return mean_figures([signals(y[rows], p[rows]) for p in draws])

        # Counts are those of the first draw: a mean of counts would be no counts of clips.
        found = {**figures(y, draws[0], threshold), **measure(np.arange(len(y)))}
        return {**found, "interval_90": intervals(voices[chosen], measure)}

    names = {"callers": site.callers, "mix": site.mix, "draws": len(answers)}
    without = {name: plain[name] for name in ("pooled", "corpora")}
    return {"site": names, **_by_corpus(clips, of), "without_site": without}


def _by_corpus(clips: Sequence[Clip], of: Callable[[Bools], dict[str, Any]]) -> dict[str, Any]:
    corpus = np.array([c.corpus for c in clips])
    return {
        "pooled": of(np.ones(len(clips), bool)),
        "corpora": {str(name): of(corpus == name) for name in np.unique(corpus)},
    }
