"""The `data` of each event type, built from the domain's values; schemas/ says the same as JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from emocx_pbx.domain import Decision, Grade, Reading, Segment
from emocx_pbx.webhooks.events import NewEvent, iso


def query_routed(decision: Decision, call_id: str | None, customer: str | None) -> NewEvent:
    """A query was decided on. Its text is never told."""
    data = {
        "decision_id": decision.decision_id,
        "customer": customer,
        "status": decision.status,
        "queue": decision.queue,
        "priority": decision.priority,
        "min_penalty": decision.min_penalty,
        "max_penalty": decision.max_penalty,
        "emotion": decision.emotion,
        "confidence": decision.confidence,
        "probabilities": decision.probabilities,
        "topic": decision.topic,
        "rule": decision.rule,
        "reasons": list(decision.reasons),
        "source": decision.source,
    }
    return NewEvent("query.routed", call_id, data, decision.at, decision.decision_id)


def call_started(call_id: str, queue: str | None, customer: str | None, at: float) -> NewEvent:
    """A customer joined a queue."""
    data = {"started_at": iso(at), "queue": queue, "customer": customer}
    return NewEvent("call.started", call_id, data, at)


def call_reading(call_id: str, index: int, reading: Reading, at: float) -> NewEvent:
    """Signals in one stretch of the customer's speech."""
    data = {
        "index": index,
        "t0": round(reading.t0, 2),
        "t1": round(reading.t1, 2),
        "speech_s": round(reading.speech_s, 2),
        "emotion": reading.scores.emotion,
        "confidence": round(reading.scores.confidence, 4),
        "probabilities": reading.scores.as_dict(),
        "model": reading.model,
    }
    return NewEvent("call.reading", call_id, data, at, str(index))


def segment_data(segment: Segment) -> dict[str, Any]:
    """The segment as payloads show it."""
    return {
        "index": segment.index,
        "agent": segment.agent,
        "interface": segment.interface,
        "queue": segment.queue,
        "via": segment.via,
        "started_at": iso(segment.started_at),
        "ended_at": None if segment.ended_at is None else iso(segment.ended_at),
        "end_reason": segment.end_reason,
    }


def grade_data(grade: Grade) -> dict[str, Any]:
    """The grade as payloads show it; score and letter are null for insufficient evidence."""
    return {
        "score": grade.score,
        "letter": grade.letter,
        "range": None if grade.low is None or grade.high is None else [grade.low, grade.high],
        "evidence_s": round(grade.evidence_s, 1),
        "sufficient_evidence": grade.score is not None,
        "contributions": msgspec.to_builtins(grade.contributions),
        "rubric": grade.rubric,
        "facts": dict(grade.facts),
    }


def call_graded(segment: Segment, grade: Grade, decision: Decision | None, at: float) -> NewEvent:
    """One agent's part was graded."""
    data = {
        "segment": segment_data(segment),
        "grade": grade_data(grade),
        "revision": 0,
        "decision_id": decision.decision_id if decision else None,
    }
    return NewEvent("call.graded", segment.call_id, data, at, str(segment.index))


def call_ended(
    call_id: str, at: float, reason: str, agents: Sequence[str], readings: int, customer: str | None
) -> NewEvent:
    """The one terminal event of a call."""
    data = {
        "ended_at": iso(at),
        "reason": reason,
        "agents": list(agents),
        "readings": readings,
        "customer": customer,
    }
    return NewEvent("call.ended", call_id, data, at)
