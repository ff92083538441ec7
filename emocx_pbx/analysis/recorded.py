"""Runs recorded calls through the same pipeline as live calls: readings, spans and a grade."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.pipeline import CallAnalyser, Classifier
from emocx_pbx.analysis.recorded_warnings import RecordedSides, RecordingWarning, warnings_of
from emocx_pbx.analysis.windows import Phrase
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, mulaw_roundtrip
from emocx_pbx.audio.recording import Recording, open_recording
from emocx_pbx.domain import Grade, Reading, Scores, Span
from emocx_pbx.errors import InputError
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.segments import facts_of, grade_segment
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
    """The whole call as one agent's segment."""
    duration_s: float
    warnings: tuple[RecordingWarning, ...] = ()
    """What the reader of the result should know about the recording."""


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
    words: Callable[[Phrase], Scores | None] | None = None,
    alerts: Sequence[AlertRule] = (),
) -> RecordedAnalysis:
    """Analyse a recorded call, in bounded memory whatever its length.

    Args:
        customer: recording of the customer's side, or of both with `stereo`.
        agent: recording of the agent's side, begun at the same time; None: the agent is silent.
        stereo: the one file has the customer left and the agent right; a headerless file is found to.
        settings: the section [analysis].
        classifier: the speech model; None: no readings, so a grade for want of evidence.
        rubric: how to grade.
        routing: scores of the query the call began with, if known.
        progress: told how far it is.
        words: what the words of a phrase say, asked where the settings want words.
        alerts: rules that the call is watched by, which decide where it is read sooner.

    Raises:
        InputError: a recording can't be used; one line.
    """
    if stereo and agent is not None:
        raise InputError(f"{agent}: with stereo both sides are in one file; give one recording only")
    analyser = CallAnalyser(classifier, settings, words=words, alerts=alerts)
    items: list[Reading | Span] = []
    wanted = True if stereo else None if agent is None else False
    with ExitStack() as stack:
        files = [
            stack.enter_context(open_recording(path, interleaved=wanted))
            for path in (customer, agent)
            if path is not None
        ]
        if stereo and files[0].channels != 2:
            raise InputError(f"{customer}: {files[0].channels} channel(s); expected 2 for stereo")
        # Nobody makes a headerless file of two sides but to keep them apart.
        apart = stereo or files[0].found_interleaved
        sound = RecordedSides(apart or len(files) > 1, all(f.source_rate == SAMPLE_RATE for f in files))
        expected_s = max(file.expected_s for file in files)
        samples = 0
        for left, right in _stereo(files[0]) if apart else _sides(files):
            sound.hear(left, right)
            # Live calls have been through a telephone line; applied to what has been, it changes nothing.
            items += analyser.feed(mulaw_roundtrip(left), mulaw_roundtrip(right))
            samples += len(left)
            if progress is not None:
                progress(samples / SAMPLE_RATE, expected_s)
        warnings = [warning for file in files for warning in _of_file(file, apart)]
    items += analyser.finish()
    duration_s = samples / SAMPLE_RATE
    # One told again has words in it, and takes the place of the one before.
    latest = {(i.t0, i.t1): i for i in items if isinstance(i, Reading)}
    readings = tuple(sorted(latest.values(), key=lambda r: r.t1))
    spans = tuple(sorted((i for i in items if isinstance(i, Span)), key=lambda s: (s.t0, s.side)))
    facts: dict[str, Any] = facts_of(spans, 0.0, duration_s)
    graded = grade_segment(readings, (0.0, duration_s), spans, rubric, routing, facts)
    names = (f"{customer}'s left side", f"{customer}'s right side") if apart else (f"{customer}", f"{agent}")
    warnings += warnings_of(sound, spans, names)
    return RecordedAnalysis(readings, spans, graded, duration_s, tuple(warnings))


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


def _of_file(file: Recording, apart: bool) -> Iterator[RecordingWarning]:
    """What the file itself shows, besides its sound."""
    if file.truncated:
        yield RecordingWarning(
            "truncated", f"{file.name} is shorter than its header says; it was analysed as far as it goes."
        )
    if file.found_interleaved:
        yield RecordingWarning(
            "found_interleaved",
            f"{file.name} holds two sides, sample by sample; it was read as with --stereo.",
        )
    elif file.channels > 1 and not apart:
        yield RecordingWarning(
            "mixed_channels",
            f"{file.name} has {file.channels} channels, which were mixed; are they two sides (--stereo)?",
        )
    if file.width.is_narrow:
        yield RecordingWarning(
            "narrow",
            f"{file.name} has {file.source_rate} Hz but nothing above 4 kHz: telephone sound made wide.",
        )
