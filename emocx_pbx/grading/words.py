"""Plain words for levels and changes: of signals in speech, never of what a person feels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from emocx_pbx.grading.level import Jump, Step

_WORDS: Final = (
    (-0.6, "strongly negative"),
    (-0.3, "negative"),
    (-0.1, "slightly negative"),
    (0.1, "neutral"),
    (0.3, "slightly positive"),
    (0.6, "positive"),
)


def level_words(level: float) -> str:
    """`negative (-0.42)`: a level, -1 to 1, for a supervisor."""
    word = next((word for least, word in _WORDS if level < least), "strongly positive")
    return f"{word} ({level:+.2f})"


def jump_words(steps: Sequence[Step], jumps: Sequence[Jump], largest: Jump) -> str:
    """How often the level changed in one direction, and the change that counts most."""
    levels = {step.reading: step.level for step in steps}
    verb = "rose" if largest.change > 0 else "fell"
    times = "once" if len(jumps) == 1 else f"{len(jumps)} times"
    before, after = level_words(levels[largest.before]), level_words(levels[largest.after])
    return f"Signals {verb} {times}; what counts most is the change from {before} to {after}."
