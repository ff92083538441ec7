"""What people see of a live call, and its numbered changes, in the form sent as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal

import msgspec
from msgspec.structs import force_setattr

from emocx_pbx.call_ids import pbx_of

State = Literal["routing", "waiting", "talking", "hold", "between"]

Point = tuple[float, float, float, float, float]
"""Seconds since the call's first tapped sample, then angry, neutral, disappointed, happy."""


class LiveAlert(msgspec.Struct, frozen=True):
    """A rule on the live readings that fired."""

    rule: str
    message: str
    """A plain sentence for a supervisor."""
    at: float
    """Unix seconds."""
    over_at: float | None = None
    """When its episode was over; null while it goes on."""


class LiveGrade(msgspec.Struct, frozen=True):
    """A segment of the call that is over and graded."""

    segment: int
    agent: str
    score: float | None
    """Null: insufficient evidence."""
    letter: str | None


class LiveCall(msgspec.Struct, frozen=True, kw_only=True):
    """A waiting or active call."""

    call_id: str
    state: State
    """routing (asked for a decision), waiting (in a queue), talking, hold, or between (two agents)."""
    since: float
    """Unix seconds at which that state began."""
    started_at: float
    queue: str | None = None
    agent: str | None = None
    """Who talks with the customer."""
    segment: int | None = None
    """Number of the agent's segment of the call."""
    answered_at: float | None = None
    """When that segment began."""
    customer: str | None = None
    """The customer's key in the CRM."""
    arrived_as: str | None = None
    """Signals in the query, before the call: angry, neutral, disappointed, happy or uncertain."""
    topic: str | None = None
    language: str | None = None
    """Of the query, ISO 639-1; null where it is not sure."""
    status: str | None = None
    """EMOCX_STATUS of the decision: ok, default, monitor, holdout, optout or timeout."""
    opted_out: bool = False
    """The customer does not want analysis: there will be no readings."""
    tapped: bool = False
    tapped_at: float | None = None
    """When the first sample was heard, from which the points' seconds count."""
    emotion: str | None = None
    """Signals in the customer's speech now; null until there is a reading."""
    confidence: float | None = None
    valence: float | None = None
    """-1 (angry) to 1 (happy)."""
    points: tuple[Point, ...] = msgspec.field(default=(), name="course")
    """The newest readings, the oldest first, each given those before it."""
    alerts: tuple[LiveAlert, ...] = ()
    grades: tuple[LiveGrade, ...] = ()
    """Of earlier agents' segments."""
    came: str | None = None
    """Deprecated: `arrived_as`."""
    pbx: str = ""
    """Name of its PBX; empty: the one without a name."""

    def __post_init__(self) -> None:
        force_setattr(self, "came", self.arrived_as)
        force_setattr(self, "pbx", pbx_of(self.call_id))


class EndedCall(msgspec.Struct, frozen=True):
    """A call that ended recently."""

    call_id: str
    ended_at: float
    reason: str
    """hangup, abandoned, lost or asterisk_restart."""
    queue: str | None
    agent: str | None
    """The last one."""
    arrived_as: str | None
    emotion: str | None
    """Signals in the last readings."""
    grades: tuple[LiveGrade, ...] = ()
    disposition: str = ""
    """answered, abandoned, overflowed, voicemail, no-answer, busy, failed or lost."""
    came: str | None = None
    """Deprecated: `arrived_as`."""
    pbx: str = ""
    """Name of its PBX; empty: the one without a name."""

    def __post_init__(self) -> None:
        force_setattr(self, "came", self.arrived_as)
        force_setattr(self, "pbx", pbx_of(self.call_id))


class Snapshot(msgspec.Struct, frozen=True):
    """All calls now, and those that ended last."""

    now: float
    """Unix seconds by the service's clock, from which durations are computed."""
    calls: tuple[LiveCall, ...]
    """The longest in their state first."""
    recent: tuple[EndedCall, ...]
    """The newest first."""


class Present(msgspec.Struct, frozen=True):
    """The agents and queues that a call involves, which decide who may see it."""

    agents: frozenset[str]
    """Who takes part in it now; of a call that ended, who ever did."""
    queues: frozenset[str]
    """All that it was in or was answered from."""

    def seen_by(self, agent: str | None, team: frozenset[str] | None) -> bool:
        """Whether an agent sees it (None: anybody), or a supervisor to whom these queues are given."""
        return (agent is None or agent in self.agents) and (team is None or not team.isdisjoint(self.queues))


class BoardState(msgspec.Struct, frozen=True):
    """The whole board, with who may see each call: what a mirror of it begins with."""

    number: int
    """Of the newest change."""
    calls: tuple[tuple[LiveCall, Present], ...]
    recent: tuple[tuple[EndedCall, Present], ...]
    """The oldest first."""


def in_pieces(state: BoardState, calls: int = 500) -> list[BoardState]:
    """The same in messages of at most this many calls each; the last has what ended."""
    starts = range(0, max(1, len(state.calls)), calls)
    parts = [BoardState(state.number, state.calls[at : at + calls], ()) for at in starts]
    return [*parts[:-1], msgspec.structs.replace(parts[-1], recent=state.recent)]


def joined(parts: Sequence[BoardState]) -> BoardState:
    """Of its parts, the whole."""
    return BoardState(
        parts[-1].number, tuple(call for part in parts for call in part.calls), parts[-1].recent
    )


class Tagged(msgspec.Struct, frozen=True):
    """A change that is not a whole call."""

    call_id: str


class ReadingChange(Tagged, frozen=True):
    """A new reading of a call."""

    emotion: str
    confidence: float
    valence: float
    point: Point


class AlertUpdate(Tagged, frozen=True):
    """An alert of a call: a new one, or one that is over."""

    alert: LiveAlert


class GradedChange(Tagged, frozen=True):
    """A segment of a call was graded; may come after the call's end."""

    grade: LiveGrade


class GoneChange(Tagged, frozen=True):
    """The call goes on without whoever is watching: agents see only their own; or with another controller."""


ChangeData = LiveCall | EndedCall | ReadingChange | AlertUpdate | GradedChange | GoneChange


class CallChange(Tagged, frozen=True):
    """What has changed in a call since it was last sent, for those who already have it."""

    fields: dict[str, Any]
    """Fields of LiveCall, by the names that JSON gives them."""


#: Name of each change in the feed; of a CallChange it is CHANGED.
KINDS: dict[type[ChangeData], str] = {
    LiveCall: "call",
    EndedCall: "ended",
    ReadingChange: "reading",
    AlertUpdate: "alert",
    GradedChange: "graded",
    GoneChange: "gone",
}


CHANGED: Final = "changed"


_SENT_AS: Final = tuple((field.name, field.encode_name) for field in msgspec.structs.fields(LiveCall))


def difference(before: LiveCall, after: LiveCall) -> bytes:
    """A CallChange's JSON that makes the one the other."""
    fields = {
        sent_as: value
        for name, sent_as in _SENT_AS
        if (value := getattr(after, name)) != getattr(before, name)
    }
    return msgspec.json.encode(CallChange(after.call_id, fields))


class BoardChange(msgspec.Struct, frozen=True):
    """One numbered change of the board."""

    number: int
    body: ChangeData
    present: Present
    data: bytes
    """The body's JSON, encoded once for all who watch."""
    less: bytes = b""
    """Of a call that was told before: JSON of only what differs, for those who saw it."""
    before: Present | None = None
    """Those who could see it: who was involved then."""

    @property
    def kind(self) -> str:
        """What the feed calls such a change."""
        return KINDS[type(self.body)]
