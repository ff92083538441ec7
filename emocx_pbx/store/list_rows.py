"""What lists for people read from the store: flat rows, filters, and positions in long lists."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from emocx_pbx.store.rows import DeliveryState, GradeKind

Team = frozenset[str] | None
"""The queues whose calls somebody may see; None: all."""

Outcome = Literal[
    "open", "answered", "abandoned", "overflowed", "voicemail", "no-answer", "busy", "failed", "lost"
]


def team_text(team: Team) -> str | None:
    """A team as queries take it: a JSON list."""
    return None if team is None else msgspec.json.encode(sorted(team)).decode()


@dataclass(frozen=True, slots=True)
class CallItem:
    """One call, as lists show it."""

    call_id: str
    started_at: float
    ended_at: float | None
    end_reason: str | None
    queue: str | None
    customer_key: str | None
    caller: str | None
    status: str | None
    """EMOCX_STATUS of its decision; None: there never was one."""
    arrived_as: str | None
    """Signals in the query: angry, neutral, disappointed, happy or uncertain."""
    left_as: str | None
    """Signals in the last readings; None: there were none."""
    valence: float | None
    """Valence of the last readings, -1 to 1."""
    topic: str | None
    wait_s: float | None
    """Seconds from the first queue to the first agent, or to the end of a call that nobody answered."""
    talk_s: float | None
    agents: tuple[str, ...]
    letters: tuple[str, ...]
    """Letters of its graded segments, in order; `-` is insufficient evidence."""
    score: float | None
    """Mean of its segments' scores."""
    alerts: int
    disputed: bool
    """One of its grades is contested and not decided yet."""
    disposition: str | None = None
    """Its disposition; None: the call goes on."""
    hung_up_by: str | None = None
    callback: str | None = None
    """State of dialling the customer; None: the customer called."""
    visits: tuple[str, ...] = ()
    """Stays in queues, in order, each with how it ended, as in `care: timeout`."""
    transfers: tuple[str, ...] = ()
    """Transfers in order, with from and to, as in `bob to eve`; an agent sees their own."""
    pbx: str = ""
    """Name of its PBX; empty: the PBX without a name."""
    came: str | None = field(init=False)
    """Deprecated: `arrived_as`."""
    went: str | None = field(init=False)
    """Deprecated: `left_as`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "came", self.arrived_as)
        object.__setattr__(self, "went", self.left_as)


@dataclass(frozen=True, slots=True)
class SegmentItem:
    """One agent's graded segment of a call, with its valid grade."""

    call_id: str
    segment: int
    agent: str
    queue: str | None
    via: str
    started_at: float
    ended_at: float | None
    arrived_as: str | None
    score: float | None
    letter: str | None
    low: float | None
    high: float | None
    evidence_s: float
    revision: int
    kind: GradeKind
    graded_at: float
    end_reason: str | None = None
    ended_to: str | None = None
    """The agent or place that a transfer went to."""
    pbx: str = ""
    """Name of the call's PBX; empty: the one without a name."""
    came: str | None = field(init=False)
    """Deprecated: `arrived_as`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "came", self.arrived_as)


@dataclass(frozen=True, slots=True)
class ListPosition:
    """Where a page of a list ended; the next begins after it."""

    at: float = math.inf
    key: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Filter of calls; None: any."""

    since: float = -math.inf
    until: float = math.inf
    queue: str | None = None
    agent: str | None = None
    arrived_as: str | None = None
    """An emotion, uncertain, or none."""
    left_as: str | None = None
    letter: str | None = None
    alert: bool | None = None
    disputed: bool | None = None
    outcome: Outcome | None = None
    search: str | None = None
    """Part of the customer's key, or a whole calling number or call id."""
    pbx: str | None = None


@dataclass(frozen=True, slots=True)
class GradeFilter:
    """Filter of graded segments; None: any."""

    since: float = -math.inf
    until: float = math.inf
    agent: str | None = None
    queue: str | None = None
    arrived_as: str | None = None
    letter: str | None = None
    disputed: bool | None = None
    pbx: str | None = None


@dataclass(frozen=True, slots=True)
class DecisionFilter:
    """Filter of decisions; None: any."""

    since: float = -math.inf
    until: float = math.inf
    status: str | None = None
    queue: str | None = None
    emotion: str | None = None
    pbx: str | None = None


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Filter of deliveries; None: any."""

    receiver: str | None = None
    state: DeliveryState | None = None
    type: str | None = None
    call_id: str | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """Number, mean and variance of values that were added up by the database."""

    number: int
    mean: float | None
    variance: float | None
    """Variance of the sample; None for fewer than two values."""

    @classmethod
    def of(cls, number: int, mean: float | None, squares: float) -> Spread:
        """From a count, a mean, and the sum of squares."""
        if mean is None or number < 2:
            return cls(number, mean, None)
        return cls(number, mean, max(0.0, (squares - number * mean * mean) / (number - 1)))


class AgentCell(msgspec.Struct, frozen=True, gc=False):
    """An agent's scores with customers who arrived with one emotion, in one bin of time. A Struct, because a
    ranking is made of very many.
    """

    agent: str
    arrived_as: str
    bin: int
    """Number of the bin, from 0."""
    graded: int
    mean: float
    squares: float
    """Sum of squared scores."""


@dataclass(frozen=True, slots=True)
class AgentLetter:
    """How often an agent got one letter; `-` is insufficient evidence."""

    agent: str
    letter: str
    segments: int


#: Ends of stays in queues after which the call goes on elsewhere unanswered.
OVERFLOWED: Final = frozenset({"timeout", "key", "redirected", "empty"})


class QueueStays(msgspec.Struct, frozen=True, gc=False):
    """Stays in one queue that are alike in all but their length. A Struct, because a day has many."""

    pbx: str
    """Name of the queue's PBX; "": without."""
    queue: str
    left: str | None
    """answered, abandoned, timeout, key, redirected, empty or lost; None: still waits."""
    arrived_as: str
    """An emotion, uncertain, or none."""
    left_as: str
    ended: bool
    """Whether the call is over."""
    bin: int
    """Number of the bin of the period in which they began, from 0."""
    waits: tuple[float, ...]
    """Length of each, in seconds: until it ended, the call ended, or now."""
    scored: int = 0
    """Answered ones whose call has a score."""
    score_sum: float = 0.0

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self.waits)


@dataclass(frozen=True, slots=True)
class Arm:
    """One arm of the holdout experiment, from each customer's mean."""

    customers: int
    calls: int
    score: Spread
    abandoned: Spread
    wait_s: Spread
    talk_s: Spread


@dataclass(frozen=True, slots=True)
class Names:
    """Queues and agents that occurred in a period."""

    queues: tuple[str, ...]
    agents: tuple[str, ...]
