"""One call as the journeys hold it in memory, and what is reckoned from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.domain import Decision, Grade, Reading, Scores, Segment, Span
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.segments import facts_of, part_readings, scores_before, window_of
from emocx_pbx.pbx.tracking.tracker import CallEnded, TrackedCall, endpoint_of
from emocx_pbx.store.rows import CallDetail


@dataclass(slots=True)
class Course:
    """What is held in memory of one call until its end."""

    call_id: str
    zero_at: float | None = None
    """Unix time of call time 0."""
    decision: Decision | None = None
    customer: str | None = None
    """The CRM's key."""
    queue: str | None = None
    started_at: float | None = None
    grades: dict[int, Grade] = field(default_factory=dict)
    """Newest grade by segment."""
    readings: list[Reading] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    holds: list[tuple[float, float | None]] = field(default_factory=list)
    segments: dict[int, Segment] = field(default_factory=dict)
    taps: set[str] = field(default_factory=set)
    """UUIDs of taps whose last reading may still come."""
    ungraded: set[int] = field(default_factory=set)
    """Closed segments that wait for their last readings."""
    watch: CallWatch | None = None
    """Alert rules on its readings, from the first one on."""
    opted_out: bool = False
    ended: CallEnded | None = None
    finishing: asyncio.TimerHandle | None = None


def stored_course(detail: CallDetail) -> Course:
    """A call as the store knows it, after a restart of ours."""
    decision = detail.decision.decision if detail.decision else None
    course = Course(detail.call.call_id, detail.call.tapped_at, decision, detail.call.customer_key)
    course.opted_out = decision is not None and decision.status == "optout"
    course.queue, course.started_at = detail.call.queue, detail.call.started_at
    course.readings, course.spans = list(detail.readings), list(detail.spans)
    course.holds = [(hold.started_at, hold.ended_at) for hold in detail.holds]
    course.segments = {segment.index: segment for segment in detail.segments}
    course.grades = {row.segment: row.grade for row in detail.grades}
    course.ungraded = {s.index for s in detail.segments if s.ended_at} - set(course.grades)
    return course


def open_legs(call: TrackedCall, course: Course, channels: Sequence[Mapping[str, str]]) -> dict[str, Segment]:
    """The stored open segments by their agent's leg: the one sharing the customer's bridge."""
    open_segments = [s for s in course.segments.values() if s.ended_at is None]
    bridge = next((c.get("BridgeID") for c in channels if c.get("Uniqueid") == call.call_id), None)
    legs = {
        c["Uniqueid"]: endpoint_of(c.get("Channel", ""))
        for c in channels
        if bridge and c.get("BridgeID") == bridge and c.get("Uniqueid") != call.call_id
    }
    found: dict[str, Segment] = {}
    # In a conference the agent is who has his interface.
    for segment in sorted(open_segments, key=lambda s: s.interface not in legs.values()):
        fit = [leg for leg, endpoint in legs.items() if _may_be(endpoint, segment.interface)]
        fit.sort(key=lambda leg: legs[leg] != segment.interface)
        # One whose leg is gone is closed by the tracker when it reconciles.
        leg = fit[0] if fit else f"gone-{segment.index}"
        legs.pop(leg, None)
        found[leg] = segment
    return found


def _may_be(endpoint: str, interface: str) -> bool:
    """Whether a leg's endpoint can be an agent's: a Local channel tells nothing of who is behind it."""
    if interface == endpoint or interface.startswith(f"{endpoint}/"):
        return True
    return not interface.startswith(endpoint.partition("/")[0] + "/")


def graded_part(course: Course, segment: Segment, rubric: Rubric) -> Grade:
    """The grade of one agent's part, from what was heard in it."""
    if course.zero_at is None:
        return grade([], rubric)
    t0, t1 = window_of(segment, course.zero_at)
    # Who takes over a call is measured from how the customer was then, not from how he first came.
    before = scores_before(course.readings, t0)
    came = before if segment.index > 0 and before else _routing_scores(course.decision)
    end = segment.ended_at or segment.started_at
    holds = [(a - course.zero_at, (b or end) - course.zero_at) for a, b in course.holds]
    facts = facts_of(course.spans, t0, t1, holds)
    readings = part_readings(course.readings, t0, t1, course.spans, rubric)
    return grade(readings, rubric, came, facts=facts)


def _routing_scores(decision: Decision | None) -> Scores | None:
    if decision is None or decision.probabilities is None:
        return None
    return Scores.of(list(decision.probabilities.values()))
