"""What all calls are held against. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.grading.rubric import Rubric


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same for all calls."""

    rubric: Rubric
    alerts: Callable[[], Sequence[AlertRule]] = tuple
    """Rules in force; a call keeps those of its first reading."""
    tell_readings: Callable[[], bool] = lambda: False
    """Whether any receiver wants call.reading."""
    keep_text: Callable[[], bool] = lambda: False
    """Whether texts of queries are kept."""
    lines: Callable[[str | None], Sequence[str]] = lambda trunk: ()
    """The lines that learn from a caller who came by this trunk; none: nothing is learnt."""
    level: Callable[[str | None, AlertRule, str], float | None] = lambda trunk, rule, model: None
    """The level of a rule's percentile on a trunk's line, by a model; None: not known."""
