"""Builds events from what happened: one function per event type."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from emocx_pbx.alerts.watch import AlertChange
from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment, Visit
from emocx_pbx.events.event import NewEvent, iso
from emocx_pbx.events.payloads import (
    CallAlert,
    CallEndedData,
    CallGraded,
    CallReading,
    CallStartedData,
    ContributionData,
    CustomerErasedData,
    GradeData,
    GradeRevised,
    Payload,
    QueryRouted,
    ReadingRevised,
    SegmentResult,
    VisitData,
)


def query_routed(decision: Decision, call_id: str | None, customer_key: str | None) -> NewEvent:
    """A query got its queue; `call_id` is None for a chat query without a call."""
    payload = QueryRouted(
        decision_id=decision.decision_id,
        customer_key=customer_key or None,
        status=decision.status,
        queue=decision.queue,
        emotion=decision.emotion,
        confidence=round(decision.confidence, 4),
        topic=decision.topic,
        language=decision.language,
        upset=decision.upset,
        priority=decision.priority,
        rule=decision.rule,
        reasons=list(decision.reasons),
        source=decision.source,
    )
    return _event("query.routed", call_id, payload, decision.at, decision.decision_id)


def call_started(
    call_id: str,
    at: float,
    queue: str | None,
    caller: str | None,
    customer_key: str | None = None,
    decision_id: str | None = None,
) -> NewEvent:
    """A call joined a queue."""
    payload = CallStartedData(
        started_at=iso(at),
        queue=queue or None,
        caller=caller or None,
        customer_key=customer_key or None,
        decision_id=decision_id or None,
    )
    return _event("call.started", call_id, payload, at)


def call_reading(call_id: str, reading: Reading, at: float, segment: Segment | None) -> NewEvent:
    """One reading of a live call."""
    payload = CallReading(**_of_reading(reading, segment))
    return _event("call.reading", call_id, payload, at, f"{reading.t0:.3f}-{reading.t1:.3f}")


def reading_revised(
    call_id: str, reading: Reading, at: float, segment: Segment | None, revision: int
) -> NewEvent:
    """Words were added to a reading that was sent before; for the `revision`-th time."""
    payload = ReadingRevised(
        **_of_reading(reading, segment), voice=_by_label(reading.voice), words=_by_label(reading.words)
    )
    of = f"{reading.t0:.3f}-{reading.t1:.3f}/{revision}"
    return _event("reading.revised", call_id, payload, at, of)


def _by_label(values: Sequence[float] | None) -> dict[str, float] | None:
    return None if values is None else Scores.of(values).as_dict()


def _of_reading(reading: Reading, segment: Segment | None) -> dict[str, Any]:
    scores = reading.scores
    return dict(
        t0=round(max(0.0, reading.t0), 3),
        t1=round(max(0.0, reading.t1), 3),
        speech_s=round(reading.speech_s, 3),
        emotion=scores.emotion,
        confidence=round(scores.confidence, 4),
        upset=round(scores.upset, 4),
        valence=round(scores.valence, 4),
        probabilities=scores.as_dict(),
        agent=segment.agent if segment else None,
        segment=segment.index if segment else None,
        model=reading.model,
        evidence=reading.evidence,
    )


def call_alert(call_id: str, change: AlertChange, at: float, segment: Segment | None) -> NewEvent:
    """A rule on the live readings fired, or its episode is over."""
    episode = f"{change.rule}@{change.raised_t1:.3f}"
    payload = CallAlert(
        episode=episode,
        state=change.state,
        reason=change.reason or None,
        rule=change.rule,
        message=change.message,
        agent=segment.agent if segment else None,
        segment=segment.index if segment else None,
        t0=round(max(0.0, change.t0), 3),
        t1=round(max(0.0, change.t1), 3),
    )
    return _event("call.alert", call_id, payload, at, f"{episode}/{change.state}")


def call_graded(
    segment: Segment,
    grade: Grade,
    at: float,
    customer_key: str | None = None,
    decision_id: str | None = None,
) -> NewEvent:
    """An agent's segment was graded."""
    payload = CallGraded(
        **_segment(segment),
        customer_key=customer_key or None,
        decision_id=decision_id or None,
        revision=0,
        grade=_grade(grade),
    )
    return _event("call.graded", segment.call_id, payload, at, str(segment.index))


def grade_revised(
    segment: Segment,
    grade: Grade,
    previous: Grade,
    *,
    revision: int,
    kind: str,
    author: str,
    reason: str,
    at: float,
) -> NewEvent:
    """A grade got a new revision."""
    payload = GradeRevised(
        **_segment(segment),
        revision=revision,
        kind=kind,
        author=author,
        reason=reason,
        previous_score=previous.score,
        grade=_grade(grade),
    )
    return _event("grade.revised", segment.call_id, payload, at, f"{segment.index}:{revision}")


def call_ended(
    call_id: str,
    started_at: float,
    at: float,
    reason: str,
    queue: str | None,
    segments: Sequence[Segment],
    grades: Mapping[int, Grade],
    customer_key: str | None = None,
    decision_id: str | None = None,
    *,
    disposition: str = "answered",
    hung_up_by: str | None = None,
    callback: str | None = None,
    callback_detail: str = "",
    visits: Sequence[Visit] = (),
) -> NewEvent:
    """The call is over; `grades` by segment index, where there are any."""
    results = [
        SegmentResult(
            **_segment(segment),
            score=grades[segment.index].score if segment.index in grades else None,
            letter=grades[segment.index].letter if segment.index in grades else None,
        )
        for segment in segments
    ]
    payload = CallEndedData(
        started_at=iso(started_at),
        ended_at=iso(at),
        duration_s=round(max(0.0, at - started_at), 3),
        reason=reason,
        disposition=disposition,
        hung_up_by=hung_up_by,
        callback=callback,
        callback_detail=callback_detail or None,
        queue=queue or None,
        customer_key=customer_key or None,
        decision_id=decision_id or None,
        visits=[_visit(visit) for visit in visits],
        segments=results,
    )
    return _event("call.ended", call_id, payload, at)


def customer_erased(call_ids: Sequence[str], decision_ids: Sequence[str], at: float) -> NewEvent:
    """A customer was erased; calls and queries are named, the customer is not."""
    payload = CustomerErasedData(erased_at=iso(at), calls=list(call_ids), decisions=list(decision_ids))
    named = hashlib.sha256("\n".join((iso(at), *call_ids, "", *decision_ids)).encode()).hexdigest()[:32]
    return _event("customer.erased", None, payload, at, named)


def _event(
    event_type: str, call_id: str | None, payload: Payload, at: float, discriminator: str = ""
) -> NewEvent:
    return NewEvent(event_type, call_id, msgspec.to_builtins(payload), at, discriminator)


def _visit(visit: Visit) -> VisitData:
    return VisitData(
        queue=visit.queue,
        entered_at=iso(visit.entered_at),
        left_at=iso(visit.left_at) if visit.left_at is not None else None,
        left=visit.left,
    )


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "segment": segment.index,
        "agent": segment.agent,
        "interface": segment.interface,
        "queue": segment.queue,
        "via": segment.via,
        "started_at": iso(segment.started_at),
        "ended_at": iso(segment.ended_at) if segment.ended_at is not None else None,
        "end_reason": segment.end_reason,
        "ended_to": segment.ended_to,
    }


def _grade(grade: Grade) -> GradeData:
    return GradeData(
        score=grade.score,
        letter=grade.letter,
        low=grade.low,
        high=grade.high,
        evidence_s=round(grade.evidence_s, 3),
        rubric=grade.rubric,
        contributions=[
            ContributionData(name=c.name, points=c.points, detail=c.detail) for c in grade.contributions
        ],
        facts=dict(grade.facts),
    )
