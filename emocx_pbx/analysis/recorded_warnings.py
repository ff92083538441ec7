"""What the reader of a recorded call's analysis should know about the recording. Pure.

Each rule's figures are in docs/inputs.md, printed by benchmarks/recording_warnings.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

import numpy as np

from emocx_pbx.audio.interleaved import is_interleaved
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array
from emocx_pbx.audio.survey import Likeness, SideSurvey
from emocx_pbx.domain import Span

Kind = Literal[
    "truncated", "mixed_channels", "found_interleaved", "identical_sides", "sides_swapped", "side_silent",
    "both_in_one", "clipped", "half_speed", "narrow",
]  # fmt: skip

#: A customer waits in silence while the agent speaks: pauses longer than this...
PAUSE_S: Final = 3.0
#: ... fill less than this part of a recording that holds both speakers, if it is long enough to have turns.
BOTH_SHARE: Final = 0.1
BOTH_LEAST_S: Final = 20.0
#: An agent's greeting: one turn this long, begun this soon, that the other side answers. A "hello?"
#: is shorter.
GREETING_S: Final = (3.5, 12.0)
GREETING_BY_S: Final = 3.0
#: A pause within a turn.
_BREATH_S: Final = 1.0
_AS_CUSTOMER: Final = (
    "The agent's voice would be read as the customer's; record the sides apart (MixMonitor's options r and "
    "t, or D)."
)
#: Samples kept to ask whether a file of one side is two, interleaved: 30 s.
_KEPT: Final = 30 * SAMPLE_RATE


@dataclass(frozen=True, slots=True)
class RecordingWarning:
    """One thing to know."""

    kind: Kind
    text: str
    """A sentence for people."""


@dataclass(slots=True)
class RecordedSides:
    """Both sides' samples, surveyed as they pass."""

    two_sides: bool
    """Whether the right side is a recording, and not made up of silence."""
    raw_rate: bool
    """Whether samples pass as they are in the file, not resampled."""
    customer: SideSurvey = field(default_factory=SideSurvey)
    agent: SideSurvey = field(default_factory=SideSurvey)
    likeness: Likeness = field(default_factory=Likeness)
    _kept: list[Int16Array] = field(default_factory=list)
    _count: int = 0

    def hear(self, left: Int16Array, right: Int16Array) -> None:
        """Take the next samples of both sides."""
        self.customer.hear(left)
        if self.two_sides:
            self.agent.hear(right)
            self.likeness.hear(left, right)
        elif self.raw_rate and self._count < _KEPT:
            self._kept.append(left)
            self._count += len(left)

    def is_interleaved(self) -> bool:
        """Whether the one side is two, sample by sample, in a file that says one."""
        if not self._kept:
            return False
        return is_interleaved(np.concatenate(self._kept))


def warnings_of(
    both: RecordedSides, spans: Sequence[Span], names: tuple[str, str]
) -> Iterator[RecordingWarning]:
    """What the sound itself shows.

    Args:
        both: both sides, all of them.
        spans: both sides' utterances.
        names: what the customer's and the agent's side are called.
    """
    sides = [(both.customer, names[0]), (both.agent, names[1])][: 1 + both.two_sides]
    interleaved = both.is_interleaved()
    if interleaved:
        yield RecordingWarning(
            "half_speed",
            f"{names[0]} says one channel but holds two, sample by sample, so it was read at half speed; "
            "write it with two channels and analyse it with --stereo.",
        )
    for survey, name in sides:
        if survey.is_clipped:
            yield RecordingWarning("clipped", f"{name} is clipped: its peaks are cut off.")
        if survey.is_slow and not interleaved:
            yield RecordingWarning(
                "half_speed", f"{name} sounds as if at half speed; is its sample rate twice what was read?"
            )
    if not both.two_sides:
        if not interleaved and is_both(spans):
            yield RecordingWarning(
                "both_in_one",
                f"{names[0]} has hardly a pause: are both speakers in it? {_AS_CUSTOMER}",
            )
    elif both.likeness.is_same:
        yield RecordingWarning(
            "identical_sides",
            f"Both sides carry the same sound. {_AS_CUSTOMER}",
        )
    else:
        yield from _of_turns(spans, names)


def _of_turns(spans: Sequence[Span], names: tuple[str, str]) -> Iterator[RecordingWarning]:
    spoken = {side: sum(s.t1 - s.t0 for s in spans if s.side == side) for side in ("customer", "agent")}
    for side, name in zip(("customer", "agent"), names, strict=True):
        if not spoken[side] and sum(spoken.values()) > 0:
            yield RecordingWarning("side_silent", f"{name} is silent throughout: nobody speaks on it.")
    if greets(spans, "customer") and spoken["agent"]:
        yield RecordingWarning(
            "sides_swapped",
            f"{names[0]} opens the call at length, as agents do: are the sides swapped? The customer is "
            "read from the left channel, or the first file.",
        )


def is_both(spans: Sequence[Span]) -> bool:
    """Whether utterances of one channel leave no room for a second speaker on another."""
    own = sorted((s.t0, s.t1) for s in spans if s.side == "customer")
    if not own or own[-1][1] - own[0][0] < BOTH_LEAST_S:
        return False
    pauses = [after - before for (_, before), (after, _) in pairwise(own)]
    return sum(p for p in pauses if p > PAUSE_S) < BOTH_SHARE * (own[-1][1] - own[0][0])


def greets(spans: Sequence[Span], side: str) -> bool:
    """Whether a side opens the call with a greeting that the other side answers."""
    mine = sorted((s.t0, s.t1) for s in spans if s.side == side)
    theirs = [s.t0 for s in spans if s.side != side]
    if not mine or mine[0][0] > GREETING_BY_S:
        return False
    end = mine[0][1]
    for t0, t1 in mine[1:]:
        if t0 - end > _BREATH_S:
            break
        end = t1
    answered = min(theirs, default=float("inf"))
    alone = min(end, answered) - mine[0][0]
    return GREETING_S[0] <= alone <= GREETING_S[1] and answered < float("inf")
