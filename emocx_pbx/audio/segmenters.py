"""Utterances of many sides at once: `Segmenter` as arrays, with the same answers. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.segmenter import Hysteresis, Segmenter, SegmenterStep, State

Numbers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


class Steps(NamedTuple):
    """What one more frame of each of k sides has decided; arrays (k,)."""

    start: Numbers
    """First frame now known to be speech."""
    stop: Numbers
    """One after the last; equal to `start` where there is none."""
    ended: Flags
    """Whether an utterance ended; its last frame is `stop` - 1."""
    first: Numbers
    """The first frame of that utterance."""


class Segmenters:
    """Rows of sides, each with the state of a `Segmenter`."""

    def __init__(self, rows: int, hysteresis: Hysteresis | None = None) -> None:
        """Room for this many sides."""
        self.rules = hysteresis or Hysteresis()
        self.frame = np.zeros(rows, np.int64)
        """Number of the next frame."""
        self._inside = np.zeros(rows, np.bool_)
        """In an utterance: SPEAKING or STOPPING, else QUIET or STARTING."""
        self._count = np.zeros(rows, np.int64)
        self._first = np.zeros(rows, np.int64)
        self._reported = np.zeros(rows, np.int64)

    def open(self, row: int) -> None:
        """A new side takes the row."""
        self._inside[row] = False
        for numbers in (self.frame, self._count, self._first, self._reported):
            numbers[row] = 0

    def push(self, rows: npt.NDArray[np.intp], flags: Flags) -> Steps:
        """Take the next frame's flags (k,) of different rows."""
        rules = self.rules
        inside, reported, frame = self._inside[rows], self._reported[rows], self.frame[rows] + 1
        # Silence counts within an utterance, speech outside one; the other ends the run.
        count = np.where(inside ^ flags, self._count[rows] + 1, 0)
        begins = ~inside & (count >= rules.start)
        ends = inside & (count >= rules.stop)
        goes_on = inside & flags
        first = np.where(begins, np.maximum(reported, frame - count - rules.pad), self._first[rows])
        start = np.where(begins, first, reported)
        stop = np.where(begins | goes_on, frame, reported)
        stop = np.where(ends, np.minimum(reported + rules.pad, frame), stop)
        self.frame[rows], self._first[rows] = frame, first
        self._reported[rows] = stop
        self._count[rows] = np.where(begins | ends, 0, count)
        self._inside[rows] = (inside | begins) & ~ends
        return Steps(start, stop, ends, first)

    def push_one(self, row: int, flags: Sequence[bool]) -> Iterator[SegmenterStep]:
        """Take the next flags of one row; the state is stored when all steps have been taken."""
        one = self._one(row)
        for flag in flags:
            yield one.push(flag)
        self._store(row, one)

    def finish(self, row: int) -> SegmenterStep:
        """No more frames will come to the row."""
        one = self._one(row)
        step = one.finish()
        self._store(row, one)
        return step

    def _one(self, row: int) -> Segmenter:
        inside, count = bool(self._inside[row]), int(self._count[row])
        state = State.SPEAKING if inside else State.QUIET
        if count:
            state = State.STOPPING if inside else State.STARTING
        return Segmenter.at(
            self.rules, state, int(self.frame[row]), count, int(self._first[row]), int(self._reported[row])
        )

    def _store(self, row: int, one: Segmenter) -> None:
        state, frame, count, first, reported = one.place
        self._inside[row] = state in (State.SPEAKING, State.STOPPING)
        self.frame[row], self._count[row], self._first[row], self._reported[row] = (
            frame,
            count,
            first,
            reported,
        )
