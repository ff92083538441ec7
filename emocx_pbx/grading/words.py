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


def level_word(level: float) -> str:
    """`negative`: what a level, -1 to 1, is called."""
    return next((word for least, word in _WORDS if level < least), "strongly positive")


def level_words(level: float) -> str:
    """`negative (-0.42)`: a level, -1 to 1, for a supervisor."""
    return f"{level_word(level)} ({level:+.2f})"


def jump_words(steps: Sequence[Step], jumps: Sequence[Jump], largest: Jump) -> str:
    """How often the level changed in one direction, and the change that counts most."""
    levels = {step.reading: step.level for step in steps}
    verb = "rose" if largest.change > 0 else "fell"
    times = "once" if len(jumps) == 1 else f"{len(jumps)} times"
    before, after = levels[largest.before], levels[largest.after]
    if (word := level_word(before)) == level_word(after):
        return (
            f"Signals {verb} {times}, but stayed {word} where it counts most ({before:+.2f} to {after:+.2f})."
        )
    return (
        f"Signals {verb} {times}; what counts most is the change "
        f"from {level_words(before)} to {level_words(after)}."
    )
