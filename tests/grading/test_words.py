"""A grade's lines as people read them."""

from __future__ import annotations

import pytest

from emocx_pbx.grading.level import Jump, Step
from emocx_pbx.grading.words import jump_words, level_words


@pytest.mark.parametrize(
    ("level", "said"),
    [(-1.0, "strongly negative (-1.00)"), (-0.07, "neutral (-0.07)"), (0.6, "strongly positive (+0.60)")],
)
def test_a_level_has_a_word(level: float, said: str) -> None:
    assert level_words(level) == said


def said(before: float, after: float, times: int = 1) -> str:
    steps = [Step(0, 0.0, 4.0, before, 0.1), Step(1, 4.0, 8.0, after, 0.1)]
    jump = Jump(0, 1, 0.5, after - before)
    return jump_words(steps, [jump] * times, jump)


def test_a_change_is_told_by_what_it_led_to() -> None:
    assert said(-0.7, 0.2) == (
        "Signals rose once; what counts most is the change "
        "from strongly negative (-0.70) to slightly positive (+0.20)."
    )


def test_where_nothing_changed_nothing_is_made_of_it() -> None:
    assert said(-0.05, -0.07, 5) == (
        "Signals fell 5 times, but stayed neutral where it counts most (-0.05 to -0.07)."
    )
