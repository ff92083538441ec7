"""Turns frames that are speech or not into utterances, by hysteresis.

Four states, counted in frames: a few frames of speech in a row begin an utterance (a click does
not), and only a longer silence ends it (a breath does not). The names are pipecat's.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class State(Enum):
    """Where a side stands."""

    QUIET = "quiet"
    STARTING = "starting"
    SPEAKING = "speaking"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Hysteresis:
    """Thresholds, in frames of 20 ms."""

    start: int = 4
    """Frames of speech in a row that begin an utterance: 80 ms, shorter than any word."""
    stop: int = 20
    """Frames without speech in a row that end it: 400 ms, longer than a stop consonant or a breath."""
    pad: int = 5
    """Frames added before and after: 100 ms, for the soft edges of words."""


@dataclass(frozen=True, slots=True)
class Utterance:
    """Frames `first` to `last`, inclusive."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class SegmenterStep:
    """What one more frame has decided."""

    speech: range = range(0)
    """Frames now known to be speech, each given once, in ascending order."""
    ended: Utterance | None = None


NOTHING = SegmenterStep()


class Segmenter:
    """One side's hysteresis; frames are counted from 0."""

    def __init__(self, hysteresis: Hysteresis | None = None) -> None:
        self.rules = hysteresis or Hysteresis()
        self.state = State.QUIET
        self._frame = 0
        """Index of the next frame."""
        self._count = 0
        """Frames in STARTING or STOPPING so far."""
        self._first = 0
        """First frame of the utterance."""
        self._reported = 0
        """Frames below this have been given as speech, or belong to an utterance that has ended."""

    @classmethod
    def at(
        cls, rules: Hysteresis, state: State, frame: int, count: int, first: int, reported: int
    ) -> Segmenter:
        """One that continues from a `place`."""
        one = cls(rules)
        one.state, one._frame, one._count, one._first, one._reported = state, frame, count, first, reported
        return one

    @property
    def place(self) -> tuple[State, int, int, int, int]:
        """Everything that it remembers: state, frame, count, first, told."""
        return self.state, self._frame, self._count, self._first, self._reported

    @property
    def frames(self) -> int:
        """Frames pushed so far."""
        return self._frame

    @property
    def oldest_open(self) -> int:
        """The oldest frame that a later step may still give as speech."""
        return max(self._reported, self._frame - self.rules.start - self.rules.stop - self.rules.pad)

    def push(self, flag: bool) -> SegmenterStep:
        """Take the next frame's flag."""
        now = self._frame
        self._frame += 1
        if self.state in (State.QUIET, State.STARTING):
            return self._while_silent(now, flag)
        return self._while_speaking(now, flag)

    def _while_silent(self, now: int, flag: bool) -> SegmenterStep:
        if not flag:
            self.state = State.QUIET
            self._count = 0
            return NOTHING
        self.state = State.STARTING
        self._count += 1
        if self._count < self.rules.start:
            return NOTHING
        self.state = State.SPEAKING
        self._first = max(self._reported, now + 1 - self._count - self.rules.pad)
        self._count = 0
        self._reported = now + 1
        return SegmenterStep(range(self._first, now + 1))

    def _while_speaking(self, now: int, flag: bool) -> SegmenterStep:
        if flag:
            self.state = State.SPEAKING
            self._count = 0
            speech = range(self._reported, now + 1)
            self._reported = now + 1
            return SegmenterStep(speech)
        self.state = State.STOPPING
        self._count += 1
        return self._end() if self._count >= self.rules.stop else NOTHING

    def finish(self) -> SegmenterStep:
        """No more frames will come: an open utterance ends here."""
        if self.state in (State.SPEAKING, State.STOPPING):
            return self._end()
        self.state = State.QUIET
        return NOTHING

    def _end(self) -> SegmenterStep:
        """Back to QUIET; the first silent frames are the utterance's padding."""
        upto = min(self._reported + self.rules.pad, self._frame)
        speech = range(self._reported, upto)
        self._reported = upto
        self.state = State.QUIET
        self._count = 0
        return SegmenterStep(speech, Utterance(self._first, upto - 1))
