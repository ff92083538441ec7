"""Spoken messages as the service understands them: phrases, their words, what these say; and the cost."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.spoken_messages import Spoken
from benchmarks.words.progress import progress
from emocx_pbx.analysis.pipeline import Classifier
from emocx_pbx.analysis.windows import CallSegmenter, Phrase, Window
from emocx_pbx.audio.pcm import from_float, to_float
from emocx_pbx.domain import Scores
from emocx_pbx.emotion.said import Said
from emocx_pbx.emotion.text import TextReader
from emocx_pbx.emotion.transcribe import Transcriber
from emocx_pbx.settings.settings import AnalysisSettings

WORDS: Final = AnalysisSettings(words="all")


@dataclass(frozen=True, slots=True)
class Heard:
    """A spoken message, as it was understood."""

    spoken: Spoken
    texts: tuple[str, ...]
    """Of each phrase with words."""
    seconds: tuple[float, ...]
    scores: tuple[Scores, ...]
    """Of each phrase, with those before it."""


@dataclass(slots=True)
class Cost:
    """CPU seconds, and seconds of speech that they were for."""

    words_s: float = 0.0
    voice_s: float = 0.0
    speech_s: float = 0.0


def phrases_of(spoken: Spoken) -> tuple[list[Phrase], list[Window]]:
    """What the pipeline cuts a message into."""
    segmenter = CallSegmenter(WORDS)
    samples = from_float(spoken.samples)
    items = [*segmenter.feed(samples, np.zeros_like(samples)), *segmenter.finish()]
    return [i for i in items if isinstance(i, Phrase)], [i for i in items if isinstance(i, Window)]


def hear(
    messages: Sequence[Spoken], transcriber: Transcriber, texts: TextReader, voice: Classifier, cost: Cost
) -> list[Heard]:
    """Transcribe and classify each message; the voice model hears the same, to compare what both cost."""
    found = []
    for number, spoken in enumerate(messages, 1):
        phrases, windows = phrases_of(spoken)
        said, words, seconds, scores = Said(), [], [], []
        begun = time.process_time()
        for phrase in phrases:
            text = transcriber.phrase(to_float(phrase.samples))
            if text:
                words.append(text)
                seconds.append(phrase.t1 - phrase.t0)
                scores.append(texts.read(said.with_context(text)).scores)
        cost.words_s += time.process_time() - begun
        begun = time.process_time()
        for window in windows:
            voice.classify(window.samples)
        cost.voice_s += time.process_time() - begun
        cost.speech_s += sum(phrase.t1 - phrase.t0 for phrase in phrases)
        found.append(Heard(spoken, tuple(words), tuple(seconds), tuple(scores)))
        progress(f"{number}/{len(messages)} messages")
    return found
