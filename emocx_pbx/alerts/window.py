"""A sliding window over the customer's speech: pieces with a value, by seconds of speech."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

#: Less is a rounding error.
TINY_S: Final = 1e-9


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of speech in which a value held."""

    value: float
    speech_s: float
    t0: float
    """Call time of its start."""
    t1: float
    """Call time of its end; more than speech_s later if there were pauses."""

    def split(self, speech_s: float) -> tuple[Piece, Piece]:
        """Its first seconds of speech, and the rest."""
        middle = self.t0 + (self.t1 - self.t0) * speech_s / self.speech_s
        return (
            replace(self, speech_s=speech_s, t1=middle),
            replace(self, speech_s=self.speech_s - speech_s, t0=middle),
        )

    def split_at(self, t: float) -> tuple[Piece, Piece]:
        """What was said up to a call time inside it, and the rest."""
        return self.split(self.speech_s * (t - self.t0) / (self.t1 - self.t0))


@dataclass(frozen=True, slots=True)
class WindowStep:
    """A stretch over which the window's sum changes linearly."""

    piece: Piece
    before: float
    """Sum of value x seconds at its start."""
    after: float
    dropped: Piece | None
    """What left the window meanwhile, as many seconds as came in; None while the window fills."""


class SpeechWindow:
    """The last `length_s` seconds of speech."""

    def __init__(self, length_s: float) -> None:
        self._length_s = length_s
        self._pieces: deque[Piece] = deque()
        self.total_s = 0.0
        self.sum = 0.0

    @property
    def full(self) -> bool:
        """Whether that much has been said already."""
        return self.total_s >= self._length_s - TINY_S

    @property
    def mean(self) -> float:
        """Mean value; only of a window that is not empty."""
        return self.sum / self.total_s

    def begin_of(self, least: float) -> float:
        """Call time of the oldest speech in it whose value is at least this."""
        return next(p.t0 for p in self._pieces if p.value >= least)

    def revise(self, t0: float, t1: float, value: float) -> None:
        """Give what was said between these call times another value."""
        middles = ((p, (p.t0 + p.t1) / 2) for p in self._pieces)
        self._pieces = deque(replace(p, value=value) if t0 <= middle <= t1 else p for p, middle in middles)
        self._add_up()

    @property
    def newest(self) -> Piece | None:
        """The piece that came in last."""
        return self._pieces[-1] if self._pieces else None

    def clear(self) -> None:
        """Forget all of it."""
        self._pieces.clear()
        self.total_s = self.sum = 0.0

    def copy(self) -> SpeechWindow:
        """A window of its own with the same speech in it."""
        other = SpeechWindow(self._length_s)
        other._pieces, other.total_s, other.sum = self._pieces.copy(), self.total_s, self.sum
        return other

    def push(self, piece: Piece) -> Iterator[WindowStep]:
        """Let a piece in, and out as much as no longer fits: step by step, each as it is asked for."""
        while piece.speech_s > TINY_S:
            full = self.full
            most = self._pieces[0].speech_s if full else self._length_s - self.total_s
            part, rest = piece, None
            if piece.speech_s > most + TINY_S:
                part, rest = piece.split(most)
            before = self.sum
            dropped = self._drop(part.speech_s) if full else None
            self._pieces.append(part)
            self._add_up()
            yield WindowStep(part, before, self.sum, dropped)
            if rest is None:
                return
            piece = rest

    def _drop(self, speech_s: float) -> Piece:
        oldest = self._pieces.popleft()
        if oldest.speech_s - speech_s <= TINY_S:
            return oldest
        dropped, rest = oldest.split(speech_s)
        self._pieces.appendleft(rest)
        return dropped

    def _add_up(self) -> None:
        # Anew each time: small errors would otherwise grow over a long call.
        self.total_s = sum(p.speech_s for p in self._pieces)
        self.sum = sum(p.value * p.speech_s for p in self._pieces)
