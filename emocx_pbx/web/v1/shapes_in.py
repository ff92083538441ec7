"""What clients send: query parameters and bodies; unknown names are refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from emocx_pbx.dispatch.numbers import MAX_CHARS
from emocx_pbx.settings.names import CustomerKey, QueueName
from emocx_pbx.store.list_rows import Outcome
from emocx_pbx.store.rows import DeliveryState

Limit = Annotated[int, Meta(ge=1, le=200)]
Name = Annotated[str, Meta(min_length=1, max_length=200)]
PbxName = Annotated[str, Meta(max_length=32)]
Text = Annotated[str, Meta(min_length=1, max_length=10_000)]
Number = Annotated[str, Meta(min_length=1, max_length=MAX_CHARS)]
Cursor = Annotated[str, Meta(max_length=400)]
Time = Annotated[float, Meta(ge=0, le=253_402_300_799)]
Reason = Annotated[str, Meta(min_length=1, max_length=500, pattern=r"\S")]
Signal = Literal["angry", "neutral", "disappointed", "happy", "uncertain", "none"]
Emotion = Literal["angry", "neutral", "disappointed", "happy"]
Status = Literal["ok", "default", "monitor", "holdout", "optout", "timeout"]

#: Query parameters that had another name before; it is taken as well until there is a version 2.
EARLIER: Final[Mapping[str, str]] = {"arrived_as": "came", "left_as": "went", "receiver": "endpoint"}


class Strict(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a client sends: unknown names are refused."""


class QueryBody(Strict, frozen=True):
    """A chat query."""

    text: Text
    customer: CustomerKey | None = None
    """The CRM's key of the customer."""
    callback_number: Number | None = None
    """Number to call and connect with the chosen queue; which numbers are called says [dialling]."""
    default_queue: QueueName | None = None
    """Where the query goes when no rule of the policy fires."""
    attributes: dict[str, Annotated[str, Meta(max_length=200)]] = {}
    """What the policy may ask of the customer, e.g. {"plan": "gold"}."""
    optout: bool = False
    """The customer does not want analysis: the default queue, and no tap."""
    pbx: PbxName | None = None
    """Name of the PBX that decides and calls, where there are several; else dialling.pbx."""


class PreviewBody(Strict, frozen=True):
    """A query to try out."""

    text: Text
    customer: CustomerKey | None = None
    default_queue: QueueName | None = None
    attributes: dict[str, Annotated[str, Meta(max_length=200)]] = {}
    pbx: PbxName | None = None


class DecisionsQuery(Strict, frozen=True):
    """Which decisions."""

    since: Time | None = None
    """Not before this time."""
    until: Time | None = None
    """Before this time."""
    status: Status | None = None
    pbx: PbxName | None = None
    """Name of the PBX; empty: the one without a name."""
    queue: Name | None = None
    emotion: Signal | None = None
    limit: Limit = 50
    cursor: Cursor | None = None
    """`next` of the page before."""


class CallsExport(Strict, frozen=True):
    """Which calls."""

    since: Time | None = None
    """Began not before this time."""
    until: Time | None = None
    """Began before this time."""
    pbx: PbxName | None = None
    """Name of the PBX; empty: the one without a name."""
    queue: Name | None = None
    agent: Name | None = None
    """With this agent."""
    arrived_as: Signal | None = None
    """Signals in the query; none: there was no query."""
    left_as: Signal | None = None
    """Signals in the last readings; none: there were none."""
    letter: Annotated[str, Meta(min_length=1, max_length=8)] | None = None
    """With a segment of this letter; `-` is insufficient evidence."""
    alert: bool | None = None
    """With an alert, or without."""
    disputed: bool | None = None
    """With a contested grade, or without."""
    outcome: Outcome | None = None
    """open, or the disposition of an ended call."""
    search: Annotated[str, Meta(min_length=1, max_length=128)] | None = None
    """Part of the customer's key, or a whole calling number or call id."""


class CallsSheet(CallsExport, frozen=True):
    """Which calls, for a spreadsheet."""

    zone: Annotated[str, Meta(max_length=64)] = ""
    """Zone of the times, e.g. Europe/Berlin; without it the browser's, else the server's."""


class CallsQuery(CallsExport, frozen=True):
    """Which calls, by pages."""

    limit: Limit = 50
    cursor: Cursor | None = None
    """`next` of the page before."""


class CorrectionBody(Strict, frozen=True):
    """What a reading should have said."""

    t0: Annotated[float, Meta(ge=0, le=1e6)]
    """Of the reading, as the call's detail gives it."""
    t1: Annotated[float, Meta(ge=0, le=1e6)]
    emotion: Emotion
    reason: Reason


class GradesExport(Strict, frozen=True):
    """Which graded segments."""

    since: Time | None = None
    until: Time | None = None
    agent: Name | None = None
    pbx: PbxName | None = None
    """Name of the PBX; empty: the one without a name."""
    queue: Name | None = None
    arrived_as: Signal | None = None
    letter: Annotated[str, Meta(min_length=1, max_length=8)] | None = None
    disputed: bool | None = None


class GradesSheet(GradesExport, frozen=True):
    """Which graded segments, for a spreadsheet."""

    zone: Annotated[str, Meta(max_length=64)] = ""
    """Zone of the times, e.g. Europe/Berlin; without it the browser's, else the server's."""


class GradesQuery(GradesExport, frozen=True):
    """Which graded segments, by pages."""

    limit: Limit = 50
    cursor: Cursor | None = None
    """`next` of the page before."""


class OverrideBody(Strict, frozen=True):
    """A supervisor's own score."""

    score: Annotated[float, Meta(ge=0, le=100)]
    reason: Reason


class DisputeBody(Strict, frozen=True):
    """An agent contests their own grade."""

    reason: Reason


class PeriodQuery(Strict, frozen=True):
    """A time."""

    since: Time | None = None
    """Default: 30 days before `until`."""
    until: Time | None = None
    """Default: now."""


class DayQuery(Strict, frozen=True):
    """A day, or any stretch of at most 31."""

    since: Time | None = None
    """Default: 24 hours before `until`."""
    until: Time | None = None
    """Default: now."""


class AlertsQuery(Strict, frozen=True):
    """Which alerts."""

    since: Time | None = None
    until: Time | None = None
    limit: Limit = 50


class DeliveriesQuery(Strict, frozen=True):
    """Which deliveries."""

    receiver: Name | None = None
    state: DeliveryState | None = None
    type: Name | None = None
    call_id: Name | None = None
    limit: Limit = 50
    before: Annotated[int, Meta(ge=0, le=2**53)] | None = None
    """`next` of the page before."""


class ReplayBody(Strict, frozen=True):
    """What to send again; at least one field narrows it."""

    receiver: Name | None = None
    event_id: Name | None = None
    call_id: Name | None = None
    type: Name | None = None
    since: Time | None = None
    until: Time | None = None
    failed: bool = False
    """Only deliveries that were given up."""
    endpoint: Name | None = None
    """Deprecated: `receiver`."""
