"""The `data` of every event type: typed, so that a field is never missing or silently blank.

The JSON Schemas in schemas/ are made of these (`python -m emocx_pbx.events.payloads`); a test
holds them equal.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from emocx_pbx.events.event import SCHEMA_VERSION

SCHEMAS: Final = Path(__file__).parent / "schemas"

Share = Annotated[float, Meta(ge=0, le=1)]
Score = Annotated[float, Meta(ge=0, le=100)]
Basis = Annotated[str, Meta(pattern="^(voice|words|both)$")]
Time = Annotated[str, Meta(description="ISO 8601, UTC", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")]


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """Fields of `data` beside call_id, pbx, sequence and schema_version."""


class QueryRouted(Payload, frozen=True):
    """A customer's query was classified and given a queue."""

    decision_id: str
    customer_key: str | None
    """The CRM's key of the customer, as the query gave it."""
    status: str
    """ok, default, monitor, holdout, optout or timeout."""
    queue: str
    emotion: str
    """angry, neutral, disappointed, happy or uncertain: signals in the query, not a feeling."""
    confidence: Share
    upset: Share | None
    """Probability that it is angry or disappointed, whichever of the two; null when nothing was
    classified."""
    topic: str | None
    language: str | None
    """Of the query's words (ISO 639-1); null where it is not sure, or there are none."""
    priority: int | None
    rule: str | None
    """The policy's rule that fired; null for the default."""
    reasons: list[str]
    source: str
    """text, speech or none."""


class CallStartedData(Payload, frozen=True):
    """A customer's call joined a queue."""

    started_at: Time
    queue: str | None
    caller: str | None
    """The calling number as Asterisk knows it."""
    customer_key: str | None
    decision_id: str | None


class CallReading(Payload, frozen=True):
    """Signals of emotion in one stretch of the customer's speech; off unless asked for."""

    t0: Annotated[float, Meta(ge=0)]
    """Seconds since the call's first tapped sample."""
    t1: Annotated[float, Meta(ge=0)]
    speech_s: Annotated[float, Meta(ge=0)]
    emotion: str
    confidence: Share
    upset: Share
    """Probability that it is angry or disappointed, whichever of the two."""
    valence: Annotated[float, Meta(ge=-1, le=1)]
    probabilities: dict[str, Share]
    agent: str | None
    segment: int | None
    model: str
    evidence: Basis
    """What it rests on: how the customer sounds, what the customer says (as transcribed), or both."""


class ReadingRevised(CallReading, frozen=True):
    """Words were added to an earlier reading (same t0 and t1), which this one replaces."""

    voice: dict[str, Share] | None
    """What the voice alone says; null where no voice was read."""
    words: dict[str, Share] | None
    """What the words alone say."""


class CallAlert(Payload, frozen=True):
    """A rule on the live readings fired, or its episode is over; each is sent once per episode."""

    episode: str
    """The same when raised and when cleared; unique in the call."""
    state: Annotated[str, Meta(pattern="^(raised|cleared)$")]
    reason: str | None
    """Why it is over: recovered, transferred or ended; null when raised."""
    rule: str
    message: str
    """A plain sentence for a supervisor."""
    agent: str | None
    segment: int | None
    t0: Annotated[float, Meta(ge=0)]
    """Start of the episode, seconds since the call's first tapped sample."""
    t1: Annotated[float, Meta(ge=0)]
    """When the rule's threshold was crossed."""


class ContributionData(Payload, frozen=True):
    """One line of a grade's sum."""

    name: str
    points: float
    detail: str


class GradeData(Payload, frozen=True):
    """A grade; score, letter and range are null for insufficient evidence."""

    score: Score | None
    letter: str | None
    low: Score | None
    high: Score | None
    evidence_s: Annotated[float, Meta(ge=0)]
    """Seconds of customer speech it rests on."""
    rubric: str
    contributions: list[ContributionData]
    """They add up to the score."""
    facts: dict[str, Any]
    """Talk share, interruptions, dead air, hold...: beside the grade."""


class SegmentData(Payload, frozen=True):
    """One agent's segment of the call."""

    segment: Annotated[int, Meta(ge=0)]
    agent: str
    interface: str
    queue: str | None
    via: str
    """queue, transfer or dial."""
    started_at: Time
    ended_at: Time | None
    end_reason: str | None
    """customer_hung_up, agent_hung_up, blind_transfer, attended_transfer, redirected, parked, consulted
    (asked a colleague and came back), lost or asterisk_restart."""
    ended_to: str | None
    """Who took over after a transfer, else where the call went; null: nobody, or not known."""


class CallGraded(SegmentData, frozen=True):
    """An agent's segment of the call ended and was graded."""

    customer_key: str | None
    decision_id: str | None
    revision: Annotated[int, Meta(ge=0)]
    grade: GradeData


class GradeRevised(SegmentData, frozen=True):
    """A grade got a new revision; may come after call.ended."""

    revision: Annotated[int, Meta(ge=1)]
    kind: str
    """recomputed, override or dispute."""
    author: str
    reason: str
    previous_score: Score | None
    grade: GradeData


class SegmentResult(SegmentData, frozen=True):
    """A segment with a summary of its grade."""

    score: Score | None
    letter: str | None


class VisitData(Payload, frozen=True):
    """A stay in a queue."""

    queue: str
    entered_at: Time
    left_at: Time | None
    left: str | None
    """answered, abandoned, timeout, key, redirected, empty or lost."""


class CallEndedData(Payload, frozen=True):
    """The call is over: exactly one for every call, also after a crash."""

    started_at: Time
    ended_at: Time
    duration_s: Annotated[float, Meta(ge=0)]
    reason: str
    """hangup, abandoned, lost or asterisk_restart."""
    disposition: str
    """answered, abandoned, overflowed (the queue gave up, and the call went on elsewhere), voicemail,
    no-answer, busy, failed or lost."""
    hung_up_by: str | None
    """customer, agent or system; null: not known."""
    callback: str | None
    """How dialling the customer ended: answered, no-answer, busy or failed; null: the customer called."""
    callback_detail: str | None
    """A plain sentence about a callback that failed."""
    queue: str | None
    """The call's last queue."""
    customer_key: str | None
    decision_id: str | None
    visits: list[VisitData]
    """Stays in queues, in their order."""
    segments: list[SegmentResult]


class CustomerErasedData(Payload, frozen=True):
    """A customer was erased: erase what you keep of these calls and queries, too. It does not say who."""

    erased_at: Time
    calls: list[str]
    """Ids of the customer's calls, at most 500; if there are more, several such events are sent."""
    decisions: list[str]
    """Ids of the customer's queries, including those without a call."""


PAYLOADS: Final[dict[str, type[Payload]]] = {
    "query.routed": QueryRouted,
    "call.started": CallStartedData,
    "call.reading": CallReading,
    "reading.revised": ReadingRevised,
    "call.alert": CallAlert,
    "call.graded": CallGraded,
    "grade.revised": GradeRevised,
    "call.ended": CallEndedData,
    "customer.erased": CustomerErasedData,
}


def schema_of(event_type: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a whole event."""
    payload = PAYLOADS[event_type]
    _, parts = msgspec.json.schema_components([payload], ref_template="#/$defs/{name}")
    own = parts.pop(payload.__name__)
    call_id: dict[str, Any] = {
        "type": "string",
        "description": "Asterisk's Uniqueid of the caller's channel, behind the name of its PBX.",
    }
    if event_type == "query.routed":
        call_id = {"type": ["string", "null"], "description": "Null while the query has no call."}
    if event_type == "customer.erased":
        call_id = {"type": "null", "description": "It belongs to no single call."}
    data = {
        **own,
        # The name that receivers know, whatever the class is called here.
        "title": payload.__name__.removesuffix("Data"),
        "properties": {
            "call_id": call_id,
            "pbx": {
                "type": "string",
                "description": "Name of the call's PBX; empty: the one without a name, or no call.",
            },
            "sequence": {"type": "integer", "minimum": 1, "description": "Counts the call's events."},
            "schema_version": {"const": SCHEMA_VERSION},
            **own["properties"],
        },
        "required": ["call_id", "pbx", "sequence", "schema_version", *own["required"]],
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": event_type,
        "description": own["description"],
        "type": "object",
        "properties": {
            "type": {"const": event_type},
            "timestamp": {"type": "string", "format": "date-time"},
            "data": data,
        },
        "required": ["type", "timestamp", "data"],
        "$defs": parts,
    }


def schema_text(event_type: str) -> str:
    """The schema file's content."""
    return msgspec.json.format(msgspec.json.encode(schema_of(event_type)), indent=2).decode() + "\n"


def main() -> int:
    """Write the schema files beside this module."""
    for event_type in PAYLOADS:
        (SCHEMAS / f"{event_type}.json").write_text(schema_text(event_type), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
