"""Keeps a tap's times correct, by the clock at which its audio arrives.

A tap sends 50 messages a second, but nothing while nobody speaks (ChanSpy's option `o`), and loses what a
stalled host could not send. Counting samples alone would then fall behind the call; silence fills in for what
did not arrive.
"""

from __future__ import annotations

from typing import Final

from emocx_pbx.audio.pcm import SAMPLE_RATE

#: Seconds behind its arrival at which audio counts as missing; jitter on a LAN is far less.
TOLERANCE_S: Final = 0.2
#: Seconds to wait for late audio, which may still arrive in a burst.
SETTLE_S: Final = 0.1


class ArrivalClock:
    """Blocks of 16-bit samples with their arrival times in, gapless blocks out. Pure."""

    def __init__(self, sides: int) -> None:
        """`sides` is the number of sides in a block, interleaved sample by sample."""
        self._width = 2 * sides
        self.started_at: float | None = None
        """When the first sample was spoken, on the arrival clock."""
        self.max_gap_s = 0.0
        """Longest time between two arrivals, in seconds."""
        self.missing_s = 0.0
        """Silence filled in."""
        self._zero_at = 0.0
        """When the first sample would have arrived at the least delay seen."""
        self._samples = 0
        self._last_at = 0.0
        self._held: list[bytes] = []
        """Blocks after a gap that may still close."""
        self._held_since = 0.0
        self._least_lag = 0.0

    @property
    def audio_s(self) -> float:
        """Seconds of audio so far, filled silence included."""
        return self._samples / SAMPLE_RATE

    def push(self, at: float, block: bytes) -> list[bytes]:
        """Take a block of whole samples that arrived at `at` (s); returns the blocks to process, in order."""
        self._samples += len(block) // self._width
        if self.started_at is None:
            self.started_at = self._zero_at = at - self.audio_s
            self._last_at = at
            return [block]
        self.max_gap_s = max(self.max_gap_s, at - self._last_at)
        self._last_at = at
        lag = at - self._zero_at - self.audio_s
        if lag < 0:
            # Audio can't arrive before it is spoken: what came earlier had more delay.
            self._zero_at += lag
        if lag <= TOLERANCE_S:
            return self._release(block)
        if not self._held:
            self._held_since, self._least_lag = at, lag
        self._held.append(block)
        self._least_lag = min(self._least_lag, lag)
        return self._fill() if at - self._held_since >= SETTLE_S else []

    def flush(self) -> list[bytes]:
        """No more audio comes: returns what was held back, after its gap."""
        return self._fill() if self._held else []

    def _release(self, block: bytes) -> list[bytes]:
        blocks, self._held = [*self._held, block], []
        return blocks

    def _fill(self) -> list[bytes]:
        missing = round(self._least_lag * SAMPLE_RATE)
        self._samples += missing
        self.missing_s += missing / SAMPLE_RATE
        blocks, self._held = [bytes(missing * self._width), *self._held], []
        return blocks
