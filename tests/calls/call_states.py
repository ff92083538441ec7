"""Calls as happenings make them, under rules that tell all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import (
    Effect,
    WriteEnd,
)
from emocx_pbx.calls.happenings import Happening
from emocx_pbx.calls.rules import Rules
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import (
    AgentJoined,
    CallStarted,
    QueueJoined,
    QueueLeft,
)


@dataclass(frozen=True)
class TellingRules(Rules):
    """Every reading is told, and callers teach these lines."""

    taught: tuple[str, ...] = ()

    def tells(self, kind: str) -> bool:
        return True

    def lines(self, trunk: str | None) -> tuple[str, ...]:
        return (f"trunk {trunk}", *self.taught) if self.taught else ()


RULES = TellingRules(load_rubric())
ANGRY = (0.9, 0.05, 0.03, 0.02)


def new() -> CallState:
    return CallState("c", RULES)


def joins(at: float, agent: str = "bob", leg: str = "l1", **more: Any) -> AgentJoined:
    return AgentJoined("c", at, leg, agent, f"PJSIP/{agent}", "care", "queue", **more)


def answered(*then: Happening) -> tuple[CallState, list[Effect]]:
    """A call that bob answers at 10, and what follows after."""
    call, effects = new(), []
    begin = (CallStarted("c", 1.0, "PJSIP/x-1", "care", "+49"), QueueJoined("c", 1.0, "care", 1))
    for happening in (*begin, QueueLeft("c", 10.0, "care", "answered"), joins(10.0), *then):
        effects = call.take(happening, getattr(happening, "at", 0.0))
    return call, effects


def ended(effects: list[Effect]) -> dict[str, Any]:
    (end,) = [e for e in effects if isinstance(e, WriteEnd)]
    return dict(end.events[-1].data)
