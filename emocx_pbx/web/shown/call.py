"""The page of one call: its timeline, the decision, each agent's grade with its moments, deliveries."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from emocx_pbx.domain import Decision, Evidence, Grade, Segment, Words
from emocx_pbx.store.rows import AlertRow, CallDetail, CallRow, CorrectionRow, DeliveryRow, GradeRow
from emocx_pbx.web.filters import duration, percent
from emocx_pbx.web.shown.moments import GradeLine, lines_of, segment_readings_of
from emocx_pbx.web.shown.scale import Scale
from emocx_pbx.web.shown.timeline import Timeline, offset_of, timeline
from emocx_pbx.web.shown.words import points, word

#: Facts shown beside a grade, and how they are formatted.
FACTS: Final[Mapping[str, Callable[[float], str]]] = {
    "agent_talk_share": percent,
    "interruptions_by_agent": points,
    "interruptions_by_customer": points,
    "dead_air_s": duration,
    "longest_silence_s": duration,
    "hold_s": duration,
}


@dataclass(frozen=True, slots=True)
class ReadingRow:
    """One reading, for the table that spells out the chart."""

    index: int
    t0: float
    t1: float
    tap_t0: float
    """Its own times, by which a correction names it."""
    tap_t1: float
    emotion: str
    confidence: float
    shares: tuple[tuple[str, float], ...]
    agent: str
    counts_in: tuple[str, ...]
    """Names of the grade's contributions that it is part of."""
    correction: CorrectionRow | None
    model: str
    evidence: Evidence
    """What it rests on: voice, words or both."""


@dataclass(frozen=True, slots=True)
class RevisionRow:
    """One revision of a grade."""

    number: int
    kind: str
    words: str
    author: str
    reason: str
    at: float
    score: float | None
    letter: str | None


@dataclass(frozen=True, slots=True)
class SegmentView:
    """One agent's segment of the call with its grade."""

    index: int
    agent: str
    via: str
    queue: str | None
    t0: float
    t1: float
    open: bool
    end: str
    grade: Grade | None
    lines: tuple[GradeLine, ...]
    revisions: tuple[RevisionRow, ...]
    disputed: bool
    """The newest revision is a dispute: a supervisor should look at it."""
    facts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class VisitRow:
    """A stay in a queue."""

    queue: str
    wait_s: float
    left: str
    """How it ended, in words."""


@dataclass(frozen=True, slots=True)
class CallView:
    """All that the page shows."""

    call_id: str
    started_at: float
    ended_at: float | None
    duration_s: float
    wait_s: float | None
    """Seconds until the first agent; None if there was none."""
    end: str
    disposition: str
    callback: str
    """Outcome of dialling the customer; empty: the customer called."""
    visits: tuple[VisitRow, ...]
    queue: str | None
    customer_key: str | None
    caller: str | None
    decision: Decision | None
    decision_words: str
    query: str | None
    timeline: Timeline
    segments: tuple[SegmentView, ...]
    readings: tuple[ReadingRow, ...]
    deliveries: tuple[DeliveryRow, ...]
    offset_s: float
    """Seconds from the call's begin to the first tapped sample."""
    said: tuple[Words, ...] = ()
    """What the customer said, if it was kept; times are seconds since the call's begin."""


def call_view(
    detail: CallDetail,
    now: float,
    deliveries: Sequence[DeliveryRow] = (),
    corrections: Sequence[CorrectionRow] = (),
    only_agent: str | None = None,
    stay_s: float = 0.0,
    alerts: Sequence[AlertRow] = (),
) -> CallView:
    """What is known about a call, ready to be drawn.

    Args:
        detail: from the store.
        now: Unix seconds; the end of an open call's chart.
        deliveries: of the call's events.
        corrections: people's words on its readings.
        only_agent: leave out the grades of all other agents (an agent sees only their own).
        stay_s: the rubric's parameter by which readings are smoothed.
        alerts: raised on the call.
    """
    call = detail.call
    end = call.ended_at or now
    chart = timeline(detail, now, stay_s, alerts)
    scale, offset = Scale(0.0, chart.total_s), offset_of(detail)
    segments = tuple(
        _segment_view(detail, segment, end, offset, scale)
        for segment in detail.segments
        if only_agent is None or segment.agent == only_agent
    )
    first = min((s.started_at for s in detail.segments), default=None)
    joined = min((v.entered_at for v in detail.visits), default=call.started_at)
    decision = detail.decision.decision if detail.decision else None
    return CallView(
        call_id=call.call_id,
        started_at=call.started_at,
        ended_at=call.ended_at,
        duration_s=max(0.0, end - call.started_at),
        wait_s=None if first is None else max(0.0, first - joined),
        end=_end(call),
        disposition=word("disposition", call.disposition) if call.disposition else "",
        callback=word("callback", call.callback) if call.callback else "",
        visits=tuple(
            VisitRow(v.queue, (v.left_at or end) - v.entered_at, word("left", v.left or "waits"))
            for v in detail.visits
        ),
        queue=call.queue,
        customer_key=call.customer_key,
        caller=call.caller,
        decision=decision,
        decision_words=word("status", decision.status) if decision else "",
        query=detail.decision.text if detail.decision else None,
        timeline=chart,
        segments=segments,
        readings=_readings(detail, segments, corrections, offset),
        deliveries=tuple(sorted(deliveries, key=lambda d: (d.sequence, d.receiver))),
        offset_s=offset,
        said=tuple(Words(w.t0 + offset, w.t1 + offset, w.text) for w in detail.said),
    )


def _end(call: CallRow) -> str:
    if call.ended_at is None:
        return word("end", "open")
    by = word("hung_up_by", call.hung_up_by) if call.hung_up_by and call.end_reason == "hangup" else ""
    return by or word("end", call.end_reason)


def _segment_view(
    detail: CallDetail, segment: Segment, end: float, offset: float, scale: Scale
) -> SegmentView:
    rows = [row for row in detail.grades if row.segment == segment.index]
    grade = rows[-1].grade if rows else None
    readings = segment_readings_of(detail, segment)
    begin = detail.call.started_at
    return SegmentView(
        index=segment.index,
        agent=segment.agent,
        via=word("via", segment.via),
        queue=segment.queue,
        t0=segment.started_at - begin,
        t1=(segment.ended_at or end) - begin,
        open=segment.ended_at is None,
        end=word("segment_end", segment.end_reason) + (f" ({segment.ended_to})" if segment.ended_to else ""),
        grade=grade,
        lines=lines_of(grade.contributions, segment.index, readings, offset, scale) if grade else (),
        revisions=tuple(_revision(row) for row in rows),
        disputed=bool(rows) and rows[-1].kind == "dispute",
        facts=_facts(grade.facts) if grade else (),
    )


def _revision(row: GradeRow) -> RevisionRow:
    return RevisionRow(
        row.revision,
        row.kind,
        word("kind", row.kind),
        row.author,
        row.reason,
        row.at,
        row.grade.score,
        row.grade.letter,
    )


def _facts(facts: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    known = [(name, write, facts.get(name)) for name, write in FACTS.items()]
    return tuple((word("fact", name), write(float(v))) for name, write, v in known if v is not None)


def _readings(
    detail: CallDetail, segments: Sequence[SegmentView], corrections: Sequence[CorrectionRow], offset: float
) -> tuple[ReadingRow, ...]:
    ordered = sorted(detail.readings, key=lambda r: (r.t0, r.t1))
    last = {(c.t0, c.t1): c for c in sorted(corrections, key=lambda c: c.at)}
    counted: dict[int, list[str]] = {}
    for segment in segments:
        for found in segment.lines:
            for index in found.readings:
                counted.setdefault(index, []).append(found.name)
    rows = []
    for index, reading in enumerate(ordered):
        at = detail.call.started_at + offset + (reading.t0 + reading.t1) / 2
        rows.append(
            ReadingRow(
                index,
                reading.t0 + offset,
                reading.t1 + offset,
                reading.t0,
                reading.t1,
                reading.scores.emotion,
                reading.scores.confidence,
                tuple(reading.scores.as_dict().items()),
                next((s.agent for s in detail.segments if s.started_at <= at <= (s.ended_at or at)), ""),
                tuple(counted.get(index, ())),
                last.get((reading.t0, reading.t1)),
                reading.model,
                reading.evidence,
            )
        )
    return tuple(rows)
