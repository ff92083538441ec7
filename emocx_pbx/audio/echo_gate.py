"""Keeps the agent's voice that returns in the customer's channel from being taken for the customer's.

Only frames in which the customer's side sounds while, or just after, the agent speaks are in doubt.
They wait for up to a quarter of a second, are compared with the agent's side together, and are
dropped where the echo explains them. With a silent agent nothing waits and nothing is dropped. Pure.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emocx_pbx.audio.echo import LATE, NEEDED, EchoPath
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.audio.vad import FRAME, FRAME_S

#: Frames judged together, and so the longest wait: 240 ms.
BLOCK: Final = 12
#: This many frames after the agent's last one an echo may still come: the greatest delay, and a room's end.
RECENT: Final = round(LATE / SAMPLE_RATE / FRAME_S) + 4
#: A frame is an echo where the other side leaves less than this of its power unexplained. A word as loud
#: as the echo in it leaves half; a filter in a room of half a second leaves a fifth.
OWN_SHARE: Final = 0.65
#: What comes after an echo and is not this many times stronger is still its room's sound, which dies
#: away by this factor a frame (60 dB/s: a reverberation time of one second, more than a furnished room has).
TAIL: Final = 2.0
TAIL_DECAY: Final = 10 ** (-60 * FRAME_S / 10)
#: Fewer frames begin no utterance, so they are not worth a look before an echo is known.
FEW: Final = 4

#: Frames of both sides that a judgement needs.
KEPT: Final = -(-NEEDED // FRAME)


@dataclass(frozen=True, slots=True)
class Doubt:
    """A frame that waits."""

    speech: bool
    """Whether it sounds like speech."""
    open: bool
    """Whether it may be an echo."""


class EchoGate:
    """Flags of the customer's frames in, the same less echoes out, in order. Deterministic in the frames."""

    def __init__(self) -> None:
        self._path = EchoPath()
        silence = np.zeros(FRAME, np.int16)
        self._near = deque([silence] * KEPT, maxlen=KEPT)
        self._far = deque([silence] * KEPT, maxlen=KEPT)
        self._waiting: list[Doubt] = []
        self._since = RECENT + 1
        """Frames since the agent spoke."""
        self._tail = 0.0
        """Power of the latest echo, dying away."""

    @property
    def delay_s(self) -> float | None:
        """How late the echo is, once one has been heard."""
        return None if self._path.delay is None else self._path.delay / SAMPLE_RATE

    def push(self, customer: Int16Array, agent: Int16Array, speech: bool, agent_speaks: bool) -> list[bool]:
        """Take the next frame of both sides; flags of the oldest frames not told so far, maybe none."""
        self._near.append(customer)
        self._far.append(agent)
        self._since = 0 if agent_speaks else self._since + 1
        in_doubt = speech and self._since <= RECENT
        if not in_doubt and not self._waiting:
            return [speech]
        self._waiting.append(Doubt(speech, in_doubt))
        return self.finish() if len(self._waiting) == BLOCK else []

    def finish(self) -> list[bool]:
        """No more frames come: what waits, judged by what there is."""
        waiting, self._waiting = self._waiting, []
        if not self.worth_a_look(waiting):
            return [frame.speech for frame in waiting]
        near, far = (np.concatenate(list(side)) for side in (self._near, self._far))
        return self.judge(waiting, near, far)

    def worth_a_look(self, waiting: Sequence[Doubt]) -> bool:
        """Whether `judge` could drop any of these frames."""
        doubts = sum(frame.open for frame in waiting)
        return doubts > 0 and (self._path.delay is not None or doubts >= FEW)

    def judge(self, waiting: Sequence[Doubt], near: Int16Array, far: Int16Array) -> list[bool]:
        """Flags of frames that waited; both sides' last KEPT frames, (KEPT x FRAME,), end with them."""
        near, far = near[-NEEDED:], far[-NEEDED:]
        found = self._path.explain(near, far, len(waiting), FRAME)
        if found is None:
            return [frame.speech for frame in waiting]
        own_share = OWN_SHARE * (1 - found.chance)
        flags = []
        for frame, heard, rest, echo in zip(waiting, found.heard, found.rest, found.echo, strict=True):
            self._tail = max(float(echo), self._tail * TAIL_DECAY)
            echoed = frame.open and (rest < own_share * heard or heard < TAIL * self._tail)
            flags.append(frame.speech and not echoed)
        return flags
