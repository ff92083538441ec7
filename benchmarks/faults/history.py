"""What happened, from both sides: callers as Asterisk saw them, events as the receiver got them."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(slots=True)
class Talk:
    """An agent whom a queue connected with a caller; times are Unix seconds by Asterisk's clock."""

    agent: str
    leg: str
    """Uniqueid of the agent's channel."""
    channel: str
    began: float
    ended: float | None = None


@dataclass(slots=True)
class Caller:
    """One caller, by the manager interface; times are Unix seconds by Asterisk's clock."""

    call_id: str
    channel: str
    arrived: float
    opted_out: bool = False
    joined: float | None = None
    """In a queue."""
    ended: float | None = None
    died: bool = False
    """Asterisk itself ended, and the call with it."""
    talks: list[Talk] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Observed:
    """One event, as one delivery brought it or as the outbox still holds it."""

    at: float
    """Unix seconds of the delivery; of the event itself where it waits in the outbox."""
    event_id: str
    type: str
    call_id: str | None
    sequence: int
    body: bytes
    agent: str | None = None
    """Of a call.graded."""
    status: str | None = None
    """Of a query.routed."""
    accepted: bool = True
    """Answered with 2xx."""
    signed: bool = True
    """The signature was right."""


@dataclass(frozen=True, slots=True)
class Window:
    """One fault's time."""

    fault: str
    began: float
    ended: float
    blind: bool = False
    """The service could not see Asterisk meanwhile."""
    blind_until: float | None = None
    """Until when, where that was not the fault's end."""
    problem: str = ""
    """What went wrong beside what was meant to, such as a service that ended by itself."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Memory and descriptors of the service at one moment."""

    controller_mib: float
    workers_mib: float
    web_mib: float
    controller_fds: int
    workers_fds: int
    web_fds: int


@dataclass(frozen=True, slots=True)
class Measures:
    """Usage at the moments that are compared; None where that moment did not come."""

    idle: Usage
    """Ready, before the first call."""
    warm: Usage
    """Under load, before the first fault."""
    late: Usage | None
    """Under load, after the last fault that the controller lives through."""
    end: Usage
    """After the last call."""


@dataclass(frozen=True, slots=True)
class History:
    """All that a run saw."""

    callers: tuple[Caller, ...]
    deliveries: tuple[Observed, ...]
    """In the order they came, repeated ones too."""
    waiting: tuple[Observed, ...]
    """Events in the outbox that were not delivered at the end."""
    windows: tuple[Window, ...]
    channels_left: tuple[str, ...]
    """Channels in Asterisk when all calls were over."""
    processes_left: tuple[str, ...]
    """Processes of earlier starts of the service that still ran."""
    measures: Measures | None = None
    """None: usage was not looked at."""
    problems: tuple[str, ...] = ()
    """Why this run can't be trusted, such as a truth that lost its own connection."""
    stalls: tuple[tuple[float, float], ...] = ()
    """When the machine itself stood still (Unix seconds), and for how many seconds."""
