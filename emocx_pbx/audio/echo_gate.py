"""Keeps the agent's voice that returns in the customer's channel from being taken for the customer's.

Only frames in which the customer's side sounds while, or just after, the agent speaks are in doubt.
They wait for up to a quarter of a second, are compared with the agent's side together, and are dropped where
an echo explains them. While the agent is silent, nothing waits and nothing is dropped. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emocx_pbx.audio.echo import LATE, NEEDED, EchoPath, Explained
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array
from emocx_pbx.audio.vad import FRAME, FRAME_S

#: Frames judged together, and so the longest wait: 240 ms.
BLOCK: Final = 12
#: An echo may still come this many frames after the agent's last one: the longest delay, and a room's decay.
RECENT: Final = round(LATE / SAMPLE_RATE / FRAME_S) + 4
#: A frame is an echo where the other side leaves less than this of its power unexplained. A word as loud
#: as the echo in it leaves half; a filter in a room of half a second leaves a fifth.
OWN_SHARE: Final = 0.5
#: What comes after an echo and is not this many times stronger is still its room's sound, which dies
#: away by this factor a frame (60 dB/s: a reverberation time of one second, more than a furnished room has).
TAIL: Final = 1.75
TAIL_DECAY: Final = 10 ** (-60 * FRAME_S / 10)
#: This many frames that are surely the customer's make a word. What lies this many frames before and after it
#: belongs to the same word unless the echo explains nearly all of it: words begin and end softly.
WORD: Final = 3
BEFORE: Final = BLOCK - 1
AFTER: Final = 15
BESIDE_SHARE: Final = 0.3
BESIDE_TAIL: Final = 0.25
#: An echo near the line's noise can't be told from it: what does not stand out from the quietest fifth of the
#: last seconds by this much (dB) while the agent speaks is noise or echo.
QUIET: Final = 20
QUIET_FRAMES: Final = 250
OUT_DB: Final = 9.0
#: Once an echo is known, whatever is this much (dB) weaker than the agent was at any time within the longest
#: delay is an echo: of a weak echo in noise the filter explains too little.
FAR_BELOW_DB: Final = 20.0
FAR_FRAMES: Final = 25
#: Fewer frames begin no utterance, so before an echo is known they are not worth looking at.
FEW: Final = 4

#: Frames of both sides that a judgement needs.
KEPT: Final = -(-NEEDED // FRAME)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A frame that waits."""

    speech: bool
    """Whether it sounds like speech."""
    open: bool
    """Whether it could be an echo."""


class EchoGate:
    """Takes flags of the customer's frames, and returns them in order, without the echoes."""

    def __init__(self) -> None:
        self._path = EchoPath()
        silence = np.zeros(FRAME, np.int16)
        self._near = deque([silence] * KEPT, maxlen=KEPT)
        self._far = deque([silence] * KEPT, maxlen=KEPT)
        self._levels: deque[float] = deque(maxlen=QUIET_FRAMES)
        self._frames = 0
        """Frames taken so far."""
        self._waiting: list[Doubt] = []
        self._since = RECENT + 1
        """Frames since the agent spoke."""
        self._tail = 0.0
        """Power of the latest echo, dying away."""
        self._run = 0
        """Frames in a row that surely are the customer's, the latest judged ones."""
        self._going = 0
        """Frames that may still belong to the customer's latest word."""
        self._judged = 0
        """Frames up to the latest one judged."""

    @property
    def delay_s(self) -> float | None:
        """Delay of the echo, once one has been heard."""
        return None if self._path.delay is None else self._path.delay / SAMPLE_RATE

    def push(
        self, customer: Int16Array, agent: Int16Array, level: float, speech: bool, agent_speaks: bool
    ) -> list[bool]:
        """Take the next frame of both sides, and the customer's level (dBFS).

        Returns:
            Flags of the oldest frames not given so far; maybe none.
        """
        self._frames += 1
        self._levels.append(level)
        self._near.append(customer)
        self._far.append(agent)
        self._since = 0 if agent_speaks else self._since + 1
        in_doubt = speech and self._since <= RECENT
        if not in_doubt and not self._waiting:
            return [speech]
        self._waiting.append(Doubt(speech, in_doubt))
        return self.finish() if len(self._waiting) == BLOCK else []

    def finish(self) -> list[bool]:
        """No more frames will come: flags of those that wait, judged by what there is."""
        waiting, self._waiting = self._waiting, []
        if not self.worth_a_look(waiting):
            return [frame.speech for frame in waiting]
        near, far = (np.concatenate(list(side)) for side in (self._near, self._far))
        return self.judge(waiting, near, far, self._levels, self._frames)

    def worth_a_look(self, waiting: Sequence[Doubt]) -> bool:
        """Whether `judge` could drop any of these frames."""
        doubts = sum(frame.open for frame in waiting)
        return doubts > 0 and (self._path.delay is not None or doubts >= FEW)

    def judge(
        self,
        waiting: Sequence[Doubt],
        near: Int16Array,
        far: Int16Array,
        levels: Iterable[float],
        frames: int,
    ) -> list[bool]:
        """Flags of frames that waited, the call's latest.

        Args:
            waiting: at most BLOCK frames.
            near: the customer's last KEPT frames (KEPT x FRAME,), which end with them.
            far: the agent's.
            levels: of the customer's last QUIET_FRAMES frames (dBFS), fewer at the call's beginning.
            frames: of the call so far.
        """
        if self._judged + len(waiting) != frames:
            self._run = self._going = 0
        near, far = near[-NEEDED:], far[-NEEDED:]
        found = self._path.explain(near, far, len(waiting), FRAME)
        if found is None:
            return [frame.speech for frame in waiting]
        self._judged = frames
        quiet_db = float(np.percentile(list(levels), QUIET)) + OUT_DB
        quiet = 10 ** (quiet_db / 10) * 32768.0**2
        least = np.maximum(quiet, _loudest(far, len(waiting)) * 10 ** (-FAR_BELOW_DB / 10))
        return self._words(waiting, found, least)

    def _words(self, waiting: Sequence[Doubt], found: Explained, least: FloatArray) -> list[bool]:
        """Flags of frames: the customer's words, of at least these powers (frames,), and what lies beside."""
        share, beside_share = OWN_SHARE * (1 - found.chance), BESIDE_SHARE * (1 - found.chance)
        flags: list[bool] = []
        soft: list[bool] = []
        """Which frames may belong to a word beside them."""
        for frame, received, rest, echo, quiet in zip(
            waiting, found.received, found.rest, found.echo, least, strict=True
        ):
            self._tail = max(float(echo), self._tail * TAIL_DECAY)
            sure = not frame.open or (rest >= share * received and received >= max(quiet, TAIL * self._tail))
            beside = not frame.open or (
                rest >= beside_share * received and received >= quiet and rest >= BESIDE_TAIL * self._tail
            )
            flags.append(frame.speech and sure)
            soft.append(frame.speech and beside)
            self._run = self._run + 1 if flags[-1] else 0
            if self._run >= WORD:
                self._going = AFTER
                _reach_back(flags, soft)
            elif self._going and not flags[-1]:
                self._going = self._going - 1 if soft[-1] else 0
                flags[-1] = soft[-1]
        return flags


def _loudest(far: Int16Array, count: int) -> FloatArray:
    """For each of the last frames the greatest power of the agent's frames up to it (count,)."""
    size = count + FAR_FRAMES - 1
    cut = far[len(far) - size * FRAME :].reshape(size, FRAME).astype(np.float32)
    power = (cut**2).mean(axis=1)
    loudest: FloatArray = np.lib.stride_tricks.sliding_window_view(power, FAR_FRAMES).max(axis=1)
    return loudest


def _reach_back(flags: list[bool], soft: Sequence[bool]) -> None:
    """The word at the end of `flags` begins where the frames before it can belong to it."""
    at = len(flags)
    while at and flags[at - 1]:
        at -= 1
    first = max(0, at - BEFORE)
    while at > first and soft[at - 1]:
        at -= 1
        flags[at] = True
