"""Recorded calls through the very pipeline of live calls: readings, spans and a grade."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emocx_pbx.analysis.pipeline import CallAnalyser, Classifier
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, mulaw_roundtrip
from emocx_pbx.audio.recording import Recording, open_recording
from emocx_pbx.domain import Grade, Reading, Scores, Span
from emocx_pbx.errors import InputError
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.segments import facts_of, part_readings
from emocx_pbx.settings.settings import AnalysisSettings

#: Told after each block: seconds analysed, and seconds the recording has by its header.
Progress = Callable[[float, float], None]

Pair = tuple[Int16Array, Int16Array]


@dataclass(frozen=True, slots=True)
class RecordedAnalysis:
    """What a recorded call shows."""

    readings: tuple[Reading, ...]
    spans: tuple[Span, ...]
    grade: Grade
    """The whole call as one agent's part."""
    duration_s: float
    notes: tuple[str, ...] = ()
    """What the reader of the result should know of the recording, a sentence each."""


def analyse_recording(
    customer: Path,
    agent: Path | None = None,
    *,
    stereo: bool = False,
    settings: AnalysisSettings,
    classifier: Classifier | None,
    rubric: Rubric,
    routing: Scores | None = None,
    progress: Progress | None = None,
) -> RecordedAnalysis:
    """Analyse a recorded call, in bounded memory whatever its length.

    Args:
        customer: recording of the customer's side, or of both with `stereo`.
        agent: recording of the agent's side, begun at the same time; None: the agent is silent.
        stereo: the one file has the customer left and the agent right.
        settings: the section [analysis].
        classifier: the speech model; None: no readings, so a grade for want of evidence.
        rubric: how to grade.
        routing: scores of the query the call began with, if known.
        progress: told how far it is.

    Raises:
        InputError: a recording can't be used; one line.
    """
    if stereo and agent is not None:
        raise InputError(f"{agent}: with stereo both sides are in one file; give one recording only")
    analyser = CallAnalyser(classifier, settings)
    items: list[Reading | Span] = []
    with ExitStack() as stack:
        files = [stack.enter_context(open_recording(path)) for path in (customer, agent) if path is not None]
        if stereo and files[0].channels != 2:
            raise InputError(f"{customer}: {files[0].channels} channel(s); expected 2 for stereo")
        expected_s = max(file.expected_s for file in files)
        samples = 0
        for left, right in _sides(files) if not stereo else _stereo(files[0]):
            # Live calls have been through a telephone line; applied to what has been, it changes nothing.
            items += analyser.feed(mulaw_roundtrip(left), mulaw_roundtrip(right))
            samples += len(left)
            if progress is not None:
                progress(samples / SAMPLE_RATE, expected_s)
        notes = [note for file in files for note in _notes(file, stereo)]
    items += analyser.finish()
    duration_s = samples / SAMPLE_RATE
    readings = tuple(sorted((i for i in items if isinstance(i, Reading)), key=lambda r: r.t1))
    spans = tuple(sorted((i for i in items if isinstance(i, Span)), key=lambda s: (s.t0, s.side)))
    facts: dict[str, Any] = facts_of(spans, 0.0, duration_s)
    heard = part_readings(readings, 0.0, duration_s, spans, rubric)
    graded = grade(heard, rubric, routing, facts=facts)
    return RecordedAnalysis(readings, spans, graded, duration_s, tuple(notes))


def _stereo(file: Recording) -> Iterator[Pair]:
    for block in file.blocks():  # (n, 2)
        yield np.ascontiguousarray(block[:, 0]), np.ascontiguousarray(block[:, 1])


def _sides(files: list[Recording]) -> Iterator[Pair]:
    """Both files side by side; the shorter one is silent after its end."""
    sources = [_mono(file) for file in files]
    waiting = [np.zeros(0, np.int16) for _ in files]
    while True:
        for index, source in enumerate(sources):
            if not len(waiting[index]):
                waiting[index] = next(source, waiting[index])
        lengths = [len(block) for block in waiting if len(block)]
        if not lengths:
            return
        count = min(lengths)
        parts = [block[:count] if len(block) else np.zeros(count, np.int16) for block in waiting]
        waiting = [block[count:] for block in waiting]
        yield parts[0], parts[1] if len(parts) > 1 else np.zeros(count, np.int16)


def _mono(file: Recording) -> Iterator[Int16Array]:
    """One side's blocks (n,); several channels are averaged."""
    for block in file.blocks():  # (n, channels)
        if file.channels == 1:
            yield np.ascontiguousarray(block[:, 0])
        else:
            yield np.rint(block.mean(axis=1)).astype(np.int16)


def _notes(file: Recording, stereo: bool) -> Iterator[str]:
    if file.truncated:
        yield f"{file.name} is shorter than its header says; it was analysed as far as it goes."
    if file.channels > 1 and not stereo:
        yield f"{file.name} has {file.channels} channels, which were mixed; are they two sides (--stereo)?"
