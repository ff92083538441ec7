"""Who asks for a decision, and what was decided. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from emocx_pbx.domain import Decision, LineZero
from emocx_pbx.routing.levers import NO_LEVERS, OwnLevers


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller who asks, as far as known."""

    call_id: str | None = None
    customer_key: str | None = None
    default_queue: str | None = None
    opted_out: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)
    """The customer's attributes that the policy may refer to, e.g. {"plan": "gold"}."""
    own: OwnLevers = NO_LEVERS
    """QUEUE_PRIO and penalties that the dialplan had set itself."""
    pbx: str | None = None
    """PBX to decide for if there is no call yet; None: the one that places calls."""
    question: str = ""
    """Identifies the query where others may decide it too, so that it is one decision all the same."""


@dataclass(frozen=True, slots=True)
class DecidedQuery:
    """A decision with what is recorded along with it."""

    decision: Decision
    caller: Caller
    text: str | None


class Lines(Protocol):
    """The part of the line keeper that queries and taps need."""

    def zeros(self, call_id: str) -> tuple[LineZero, ...]:
        """The offsets of the line that a call came in on, by model, as far as they are known."""
