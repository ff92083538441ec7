"""Calls assembled from clips, with the words of messages; and their readings from both."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.grade_calls import AssembledCall
from benchmarks.grade_quality import readings_of
from benchmarks.words.messages import Heard
from benchmarks.words.progress import progress
from emocx_pbx.analysis.call_words import CallWords, Worded, is_sampled
from emocx_pbx.analysis.pipeline import Classifier
from emocx_pbx.domain import LABELS, Reading, Span
from emocx_pbx.emotion.said import Said
from emocx_pbx.emotion.text import TextReader

#: A longer pause than those within a turn.
TURN_S: Final = 1.2
MODES: Final = ("off", "sampled", "all")


@dataclass(frozen=True, slots=True)
class WordedCall:
    """A call, its readings by voice alone, and what its words say."""

    call: AssembledCall
    readings: tuple[Reading, ...]
    spans: tuple[Span, ...]
    words: tuple[Worded, ...]


def turns_of(call: AssembledCall) -> list[tuple[float, float, int]]:
    """Begin, end and label of each stretch in which the customer speaks."""
    turns: list[tuple[float, float, int]] = []
    for clip in call.truth:
        label = clip.scores.probabilities.index(1.0)
        if turns and turns[-1][2] == label and clip.t0 - turns[-1][1] <= TURN_S:
            turns[-1] = turns[-1][0], clip.t1, label
        else:
            turns.append((clip.t0, clip.t1, label))
    return turns


def worded(
    calls: Sequence[AssembledCall], heard: Sequence[Heard], voice: Classifier, texts: TextReader, seed: int
) -> list[WordedCall]:
    """The calls with their readings by voice, and words of messages with their labels."""
    rng = random.Random(seed)
    by_label = {k: [h for h in heard if h.spoken.label == k] for k in range(len(LABELS))}
    found = []
    for number, call in enumerate(calls, 1):
        readings, spans = readings_of(call, voice)
        said, words = Said(), []
        for t0, t1, label in turns_of(call):
            message = rng.choice(by_label[label])
            total, at = sum(message.seconds), t0
            for text, seconds in zip(message.texts, message.seconds, strict=True):
                end = at + (t1 - t0) * seconds / total
                words.append(Worded(at, end, texts.read(said.with_context(text)).scores))
                at = end
        found.append(WordedCall(call, tuple(readings), tuple(spans), tuple(words)))
        progress(f"{number}/{len(calls)} calls")
    return found


def fused(call: WordedCall, mode: str) -> list[Reading]:
    """The readings as they end up: voice first, then words as they come."""
    if mode == "off":
        return list(call.readings)
    held, kept = CallWords(), {}
    events: list[tuple[float, int, Any]] = [(r.t1, 0, r) for r in call.readings]
    chosen = [w for n, w in enumerate(call.words) if mode == "all" or is_sampled(n)]
    events += [(w.t1 + 1.0, 1, w) for w in chosen]
    for _, kind, item in sorted(events, key=lambda e: e[:2]):
        for reading in [held.by_voice(item)] if kind == 0 else held.by_words(item):
            kept[reading.t0, reading.t1] = reading
    return list(kept.values())
