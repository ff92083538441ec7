"""The rules and settings that all calls are checked against. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.grading.rubric import Rubric


@dataclass(frozen=True)
class Rules:
    """What is the same for all calls; this base has only the rubric, as used to grade a stored call again."""

    rubric: Rubric

    def alerts(self) -> Sequence[AlertRule]:
        """Alert rules in force; a call keeps those of its first reading."""
        return ()

    def tells(self, kind: str) -> bool:
        """Whether any receiver wants events of a type that is off by default."""
        return False

    def keep_text(self) -> bool:
        """Whether texts of queries are kept."""
        return False

    def keep_words(self) -> bool:
        """Whether what customers say in calls is kept."""
        return False

    def lines(self, trunk: str | None) -> Sequence[str]:
        """The lines that learn from a caller who came in on this trunk; none: nothing is learnt."""
        return ()

    def level(self, trunk: str | None, rule: AlertRule, model: str) -> float | None:
        """The level of a rule's percentile on a trunk's line, for a model; None: not known."""
        return None
