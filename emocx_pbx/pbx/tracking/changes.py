"""What can happen to a call, as the tracker tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from emocx_pbx.domain import Segment

EndReason = Literal["hangup", "abandoned", "lost", "asterisk_restart"]


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
class SegmentOpened:
    """Customer and agent share a bridge."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class SegmentClosed:
    """Customer or agent left the bridge they shared; `segment.ended_at` is set."""

    segment: Segment


@dataclass(frozen=True, slots=True)
class HoldChanged:
    """The customer was put on hold, or taken back."""

    call_id: str
    at: float
    on_hold: bool


@dataclass(frozen=True, slots=True)
class CustomerMoved:
    """The customer goes on in another channel: a Local one before him was optimised away."""

    call_id: str
    at: float
    channel: str
    uniqueid: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """The customer's channel is gone."""

    call_id: str
    at: float
    reason: EndReason


CallChange = (
    CallStarted
    | QueueJoined
    | AgentConnected
    | SegmentOpened
    | SegmentClosed
    | HoldChanged
    | CustomerMoved
    | CallEnded
)
