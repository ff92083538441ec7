"""A chat customer's query and the state of the callback; in memory only, for a short time. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Literal

from emocx_pbx.chat.moves import Unreached
from emocx_pbx.domain import Decision

#: Most tickets kept; the oldest is dropped first.
MAX_TICKETS: Final = 10_000
#: Seconds after which a ticket is forgotten.
KEEP_S: Final = 3600.0
#: Seconds of ringing after which a telephone counts as not answered (the Originate ends after 45 s).
RING_S: Final = 60.0

CallState = Literal["none", "calling", "waiting", "talking", "ended", "failed"]


@dataclass(slots=True)
class Ticket:
    """One query and its call."""

    ticket_id: str
    decision: Decision
    opted_out: bool
    at: float
    state: CallState = "none"
    since: float = 0.0
    """When that state began."""
    call_id: str = ""
    number: str = ""
    """Masked."""
    unreached: Unreached = "failed"
    """While `state` is failed: why."""

    @property
    def state_shown(self) -> str:
        """Key of the text that describes the call: its state, or why it failed."""
        return self.unreached if self.state == "failed" else self.state

    @property
    def may_call(self) -> bool:
        """Whether a call can be requested now."""
        return self.state in ("none", "failed")


class Tickets:
    """Tickets by id and by call."""

    def __init__(self, max_tickets: int = MAX_TICKETS) -> None:
        self._max = max_tickets
        self._tickets: OrderedDict[str, Ticket] = OrderedDict()
        self._calls: dict[str, str] = {}

    def __len__(self) -> int:
        return len(self._tickets)

    def add(self, ticket: Ticket) -> None:
        """Keep a new one; the oldest makes room."""
        self._tickets[ticket.ticket_id] = ticket
        while len(self._tickets) > self._max:
            self._forget(next(iter(self._tickets)))

    def get(self, ticket_id: str, now: float) -> Ticket | None:
        """A ticket, unless it is too old."""
        while self._tickets and next(iter(self._tickets.values())).at <= now - KEEP_S:
            self._forget(next(iter(self._tickets)))
        ticket = self._tickets.get(ticket_id)
        if ticket is not None and ticket.state == "calling" and now - ticket.since > RING_S:
            ticket.state, ticket.since, ticket.unreached = "failed", now, "no-answer"
        return ticket

    def calling(self, ticket: Ticket, call_id: str, number: str, now: float) -> None:
        """The customer's telephone is being rung."""
        self._calls.pop(ticket.call_id, None)
        ticket.call_id, ticket.number = call_id, number
        ticket.state, ticket.since = "calling", now
        self._calls[call_id] = ticket.ticket_id

    def moved(self, call_id: str, state: CallState, now: float, unreached: Unreached | None = None) -> None:
        """Something happened to a call, ours or not; `unreached` says why one failed, if that is known."""
        ticket = self._tickets.get(self._calls.get(call_id, ""))
        if ticket is None or ticket.state == state:
            return
        if state == "ended" and ticket.state in ("calling", "failed"):
            state = "failed"  # nobody answered
        ticket.unreached = unreached or "failed"
        ticket.state, ticket.since = state, now
        if state in ("ended", "failed"):
            self._calls.pop(call_id, None)

    def _forget(self, ticket_id: str) -> None:
        self._calls.pop(self._tickets.pop(ticket_id).call_id, None)
