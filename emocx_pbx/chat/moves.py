"""What the chat desk needs to know about calls: a small part of what happens to them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.happenings import Ended, News, SegmentOpened
from emocx_pbx.pbx.tracking.changes import AgentConnected, QueueJoined
from emocx_pbx.wire.message import Message

Unreached = Literal["no-answer", "busy", "failed"]


class CallWaits(Message, frozen=True):
    """A caller joined a queue."""

    call_id: str
    at: float
    """Unix seconds."""
    queue: str
    place: int
    """1: nobody is before them."""


class CallTaken(Message, frozen=True):
    """An agent of the queue took a waiting caller."""

    call_id: str
    at: float
    queue: str
    waited_s: float


class CallTalks(Message, frozen=True):
    """Customer and agent can hear each other."""

    call_id: str
    at: float


class CallIsOver(Message, frozen=True):
    """The customer's channel is gone, or never came to be."""

    call_id: str
    at: float
    unreached: Unreached | None = None
    """Why nobody answered the callback; None: somebody did."""


#: Dispositions of a callback that nobody answered.
UNREACHED: Final[Mapping[str, Unreached]] = {
    "no-answer": "no-answer",
    "busy": "busy",
    "failed": "failed",
}

CallMoved = CallWaits | CallTaken | CallTalks | CallIsOver


def moved_of(news: News) -> CallMoved | None:
    """The part of a happening that the desk needs; None: nothing."""
    match news:
        case QueueJoined(call_id, at, queue, position):
            return CallWaits(call_id, at, queue, position)
        case AgentConnected(call_id, at, queue=queue, hold_s=hold_s) if queue:
            return CallTaken(call_id, at, queue, hold_s)
        case SegmentOpened(segment):
            return CallTalks(segment.call_id, segment.started_at)
        case Ended(call_id, at, disposition=disposition):
            return CallIsOver(call_id, at, UNREACHED.get(disposition))
        case _:
            return None


def passing_on(watch: Callable[[CallMoved], None]) -> Callable[[News, CallState], None]:
    """A listener to what happens to calls, which passes to `watch` what the desk needs."""

    def listener(happened: News, call: CallState) -> None:
        if (moved := moved_of(happened)) is not None:
            watch(moved)

    return listener
