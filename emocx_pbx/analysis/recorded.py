"""Recorded calls through the pipeline of live calls, streamed: hours of audio in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from emocx_pbx.analysis.pipeline import CallAnalyser, Classifier
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.audio.recording import Recording, open_recording
from emocx_pbx.domain import Grade, Reading, Span
from emocx_pbx.errors import InputError
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.segments import cut_readings, facts_of
from emocx_pbx.settings import AnalysisSettings


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """What a recording told."""

    duration_s: float
    model: str
    """`name/version` of the speech model."""
    readings: tuple[Reading, ...]
    spans: tuple[Span, ...]
    grade: Grade
    """The whole recording taken as one agent's part."""
    notes: tuple[str, ...] = ()
    """What a user should know of the files, e.g. that one is cut off."""


def analyse_recording(
    customer: Path,
    agent: Path | None,
    classifier: Classifier,
    settings: AnalysisSettings,
    rubric: Rubric,
    *,
    stereo: bool = False,
    progress: Callable[[float], None] = lambda share: None,
) -> RecordedCall:
    """Analyse and grade a recorded call.

    Args:
        customer: the customer's side, or the whole call if `stereo`.
        agent: the agent's side; None: silent, or in the customer's file.
        classifier: the speech model.
        settings: voice activity, windows and intervals, as for live calls.
        rubric: for the grade.
        stereo: `customer` holds both sides: customer left, agent right.
        progress: told the share done, 0 to 1.

    Raises:
        InputError: a file can't be used, or has another number of channels than was said.
    """
    analyser = CallAnalyser(classifier, settings)
    items: list[Reading | Span] = []
    samples = 0
    with ExitStack() as stack:
        first = stack.enter_context(open_recording(customer))
        second = stack.enter_context(open_recording(agent)) if agent is not None else None
        _check_channels(first, second, stereo)
        expected = max(first.expected_s, second.expected_s if second else 0.0) * SAMPLE_RATE
        pairs: Iterator[tuple[Int16Array, Int16Array]]
        if stereo:
            pairs = ((block[:, 0], block[:, 1]) for block in first.blocks())
        elif second is None:
            pairs = ((block[:, 0], np.zeros(len(block), np.int16)) for block in first.blocks())
        else:
            pairs = _paired(first, second)
        for left, right in pairs:
            items += analyser.feed(left, right)
            samples += len(left)
            progress(samples / expected if expected else 0.0)
        items += analyser.finish()
        notes = [
            f"{r.name}: shorter than its header says; what there is was analysed"
            for r in (first, second)
            if r is not None and r.truncated
        ]
    readings = tuple(sorted((i for i in items if isinstance(i, Reading)), key=lambda r: (r.t1, r.t0)))
    spans = tuple(i for i in items if isinstance(i, Span))
    duration = samples / SAMPLE_RATE
    facts = facts_of(spans, 0.0, duration)
    graded = grade(cut_readings(readings, 0.0, duration), rubric, facts=facts)
    return RecordedCall(duration, classifier.name, readings, spans, graded, tuple(notes))


def _check_channels(first: Recording, second: Recording | None, stereo: bool) -> None:
    if stereo:
        if second is not None:
            raise InputError(f"{second.name}: not wanted with --stereo, which has both sides in one file")
        if first.channels != 2:
            raise InputError(f"{first.name}: has {first.channels} channel(s); --stereo needs 2")
        return
    for recording in (first, second):
        if recording is not None and recording.channels != 1:
            raise InputError(
                f"{recording.name}: has {recording.channels} channels; give one file a side, "
                "or --stereo for customer left and agent right"
            )


def _paired(first: Recording, second: Recording) -> Iterator[tuple[Int16Array, Int16Array]]:
    """Pieces of equal length of two mono recordings; the shorter one goes on in silence."""
    sources = (first.blocks(), second.blocks())
    pending: list[Int16Array] = [np.zeros(0, np.int16), np.zeros(0, np.int16)]
    over = [False, False]
    while True:
        for i, source in enumerate(sources):
            while not over[i] and not len(pending[i]):
                block = next(source, None)
                if block is None:
                    over[i] = True
                else:
                    pending[i] = block[:, 0]  # (n,)
        lengths = [len(p) for p, ended in zip(pending, over, strict=True) if not ended or len(p)]
        if not lengths:
            return
        n = min(lengths)
        left, right = (p[:n] if len(p) else np.zeros(n, np.int16) for p in pending)
        yield left, right
        pending = [p[n:] for p in pending]
