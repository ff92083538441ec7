"""Combines one call's readings by voice with those of its words, by the time they were spoken. Pure.

Words arrive later than the voice's reading of the same speech. A reading takes the words spoken in its time,
whichever of the two arrives first; a phrase that spans several readings counts in each for the part that is
in it, so that its evidence counts once.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import Final

from emocx_pbx.domain import Reading, Scores
from emocx_pbx.emotion.fusion import fuse, pooled_words

#: Readings and phrases that may still meet: half a minute of speech at the least.
KEPT: Final = 24
#: In "sampled" mode this many phrases of every call are transcribed, and then every third one.
FIRST: Final = 2
EACH: Final = 3


@dataclass(frozen=True, slots=True)
class Worded:
    """The emotion in the words of one phrase."""

    t0: float
    t1: float
    scores: Scores
    model: str = ""
    """`name/version` of the text model."""


class CallWords:
    """One call's."""

    def __init__(self, voiced: bool = True) -> None:
        """`voiced`: whether a voice model reads the call; if not, each phrase makes a reading of its own."""
        self._voiced = voiced
        self._readings: deque[Reading] = deque(maxlen=KEPT)
        """By voice alone."""
        self._words: deque[Worded] = deque(maxlen=KEPT)

    def by_voice(self, reading: Reading) -> Reading:
        """A new reading, combined with the words known for its time."""
        self._readings.append(reading)
        return self._fused(reading)

    def by_words(self, worded: Worded) -> list[Reading]:
        """The readings changed by the words of a phrase, as they are now."""
        self._words.append(worded)
        if not self._voiced:
            return [
                Reading(
                    worded.t0,
                    worded.t1,
                    worded.t1 - worded.t0,
                    worded.scores,
                    worded.model,
                    words=worded.scores.probabilities,
                )
            ]
        return [self._fused(reading) for reading in self._readings if _overlap_s(reading, worded) > 0]

    def _fused(self, voice: Reading) -> Reading:
        said = [(w, overlap_s) for w in self._words if (overlap_s := _overlap_s(voice, w)) > 0]
        if not said:
            return voice
        words = pooled_words([(w.scores, overlap_s) for w, overlap_s in said])
        share = min(1.0, sum(overlap_s / (w.t1 - w.t0) for w, overlap_s in said))
        scores = fuse(words, voice.scores, share) or voice.scores
        return replace(voice, scores=scores, voice=voice.scores.probabilities, words=words.probabilities)


def is_sampled(number: int) -> bool:
    """Whether "sampled" mode transcribes a call's phrase of this number, counted from 0."""
    return number < FIRST or (number - FIRST) % EACH == EACH - 1


def _overlap_s(reading: Reading, worded: Worded) -> float:
    return min(reading.t1, worded.t1) - max(reading.t0, worded.t0)
