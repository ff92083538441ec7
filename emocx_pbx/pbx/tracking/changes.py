"""What can happen to a call, as the tracker tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

EndReason = Literal["hangup", "lost", "asterisk_restart"]
Via = Literal["queue", "transfer", "dial"]
#: How a caller left a queue.
Left = Literal["answered", "abandoned", "timeout", "key", "redirected", "empty"]
#: Why an agent's segment ended; consulted: the agent asked a colleague and came back.
SegmentEnd = Literal[
    "customer_hung_up",
    "agent_hung_up",
    "blind_transfer",
    "attended_transfer",
    "redirected",
    "parked",
    "consulted",
    "lost",
    "asterisk_restart",
]
#: What became of dialling a customer back.
Dialled = Literal["answered", "no-answer", "busy", "failed"]


@dataclass(frozen=True, slots=True)
class CallStarted:
    """A customer's channel joined a queue for the first time."""

    call_id: str
    at: float
    channel: str
    queue: str | None
    caller: str


@dataclass(frozen=True, slots=True)
class QueueJoined:
    """The customer waits in a queue."""

    call_id: str
    at: float
    queue: str
    position: int


@dataclass(frozen=True, slots=True)
class QueueLeft:
    """The customer waits no longer; told again, the later word counts."""

    call_id: str
    at: float
    queue: str
    why: Left


@dataclass(frozen=True, slots=True)
class AgentConnected:
    """An agent is being connected with the customer: by app_queue, or by a transfer (queue is empty)."""

    call_id: str
    at: float
    agent: str
    interface: str
    queue: str
    hold_s: float
    agent_uniqueid: str


@dataclass(frozen=True, slots=True)
class AgentJoined:
    """An agent and the customer can hear each other."""

    call_id: str
    at: float
    leg: str
    """Uniqueid of the agent's leg."""
    agent: str
    interface: str
    queue: str | None
    via: Via
    missed_s: float = 0.0
    """So many seconds of it, at most, passed before we knew."""


@dataclass(frozen=True, slots=True)
class AgentLeft:
    """Agent and customer can't hear each other any more."""

    call_id: str
    at: float
    leg: str
    reason: SegmentEnd
    to: str | None = None
    """Where a transfer went."""
    certain: bool = True
    """False: SegmentExplained follows, or the call's end, which makes the reason certain."""


@dataclass(frozen=True, slots=True)
class SegmentExplained:
    """Why an agent's segment that is over ended."""

    call_id: str
    leg: str
    reason: SegmentEnd
    to: str | None = None


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """The customer was put on hold, or taken back."""

    call_id: str
    at: float
    on_hold: bool


@dataclass(frozen=True, slots=True)
class CustomerMoved:
    """The customer goes on in another channel: a Local channel in front of it was optimised away."""

    call_id: str
    at: float
    channel: str
    uniqueid: str


@dataclass(frozen=True, slots=True)
class NotACustomer:
    """What was taken for a customer is an agent, or may be one: no tap, no grade."""

    call_id: str


@dataclass(frozen=True, slots=True)
class CallbackDialled:
    """What became of dialling a customer back."""

    call_id: str
    outcome: Dialled
    detail: str = ""
    """A plain sentence, if there is more to say."""


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The customer's channel is gone."""

    call_id: str
    at: float
    reason: EndReason
    by: Literal["customer", "agent", "system"] | None = None
    """Who hung up; None: not known."""


CallChange = (
    CallStarted
    | QueueJoined
    | QueueLeft
    | AgentConnected
    | AgentJoined
    | AgentLeft
    | SegmentExplained
    | HoldChanged
    | CustomerMoved
    | NotACustomer
    | CallbackDialled
    | CallEnded
)
