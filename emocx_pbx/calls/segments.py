"""Agents' segments in a call: opened, joined together, closed with a reason, and graded once. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from emocx_pbx.calls import alerts
from emocx_pbx.calls.effects import (
    CancelTimer,
    Count,
    Effect,
    Note,
    SetTimer,
    Show,
    WriteGrade,
    WriteSegment,
)
from emocx_pbx.calls.grades import graded_segment, is_phantom
from emocx_pbx.calls.happenings import Graded, GradeDue, SegmentClosed, SegmentOpened
from emocx_pbx.domain import Segment
from emocx_pbx.events import build
from emocx_pbx.pbx.tracking.changes import AgentJoined, AgentLeft, CallEnded, SegmentExplained

if TYPE_CHECKING:
    from emocx_pbx.calls.call_state import CallState

#: Seconds after a segment's end in which its last readings may still arrive from the worker.
SETTLE_S: Final = 3.0
#: Longest wait in seconds for the reason of a segment's end: an agent's consultation may take a while.
EXPLAIN_S: Final = 60.0
#: Seconds within which an agent who is back with the customer was not gone: a Local channel in between was
#: optimised away, or both were moved into a conference.
MERGE_S: Final = 1.0

_TRANSFERS: Final = frozenset({"blind_transfer", "attended_transfer"})


def joined(call: CallState, change: AgentJoined) -> list[Effect]:
    """An agent is with the customer."""
    if change.leg in call.legs:
        return []
    effects = call.begin(change.at, change.queue)
    if call.waiting:
        effects += call.leave(change.at, "answered")
    # After the segment: a tap starts once everything queued before it is written.
    tap = [] if call.opted_out else [call.begin_tap(change.leg)]
    same = next((s for s in call.open_segments if s.agent == change.agent), None)
    if same is not None:
        call.legs[change.leg] = same.index  # a second leg of one agent is no second segment
        return [*effects, *tap]
    newest = call.segments[max(call.segments)] if call.segments else None
    if newest is not None and _goes_on(call, newest, change):
        segment = replace(newest, ended_at=None, end_reason=None, ended_to=None)
        call.ungraded.discard(segment.index)
        effects.append(CancelTimer(GradeDue(call.call_id, segment.index)))
    else:
        index = newest.index + 1 if newest else 0
        segment = Segment(
            call.call_id,
            index,
            change.agent,
            change.interface,
            change.queue,
            change.via,
            started_at=change.at,
            missed_s=round(change.missed_s, 3),
        )
        effects += _taken_over(call, segment)
    call.segments[segment.index] = segment
    call.legs[change.leg] = segment.index
    return [*effects, WriteSegment(segment), Show(SegmentOpened(segment)), *tap]


def _goes_on(call: CallState, newest: Segment, change: AgentJoined) -> bool:
    if newest.ended_at is None or newest.index not in call.ungraded or newest.agent != change.agent:
        return False
    again = newest.queue == change.queue or change.via != "queue"
    return again and change.at - newest.ended_at <= MERGE_S


def _taken_over(call: CallState, segment: Segment) -> list[Effect]:
    """Another agent is with the customer now: record who the previous one handed over to."""
    before = call.segments.get(segment.index - 1)
    if before is None:
        return []
    if before.agent != segment.agent:
        alerts.taken_over(call, segment.started_at)
    if before.end_reason in _TRANSFERS and before.index in call.ungraded:
        call.segments[before.index] = before = replace(before, ended_to=segment.agent)
        return [WriteSegment(before)]
    return []


def left(call: CallState, change: AgentLeft) -> list[Effect]:
    """An agent is no longer with the customer."""
    index = call.legs.pop(change.leg, None)
    if index is None:
        return []
    call.past_legs[change.leg] = index
    if index in call.legs.values():
        return []  # the agent is there with another leg
    return _close(call, index, change.at, change.reason, change.to, certain=change.certain)


def _close(
    call: CallState, index: int, at: float, reason: str, to: str | None, *, certain: bool
) -> list[Effect]:
    opened = call.segments[index]
    segment = replace(opened, ended_at=max(at, opened.started_at), end_reason=reason, ended_to=to)
    call.segments[index] = segment
    call.ungraded.add(index)
    effects: list[Effect] = [] if call.legs else call.hold(at, False)
    due = GradeDue(call.call_id, index)
    effects += [WriteSegment(segment), Show(SegmentClosed(segment))]
    return [*effects, SetTimer(due, SETTLE_S if certain else EXPLAIN_S)]


def explained(call: CallState, change: SegmentExplained) -> list[Effect]:
    """Why a segment that is over ended."""
    index = call.past_legs.get(change.leg)
    if index is None or index not in call.ungraded:
        return []
    to = change.to or call.segments[index].ended_to
    after = call.segments.get(index + 1)
    if change.reason in _TRANSFERS and after is not None:
        to = after.agent
    segment = replace(call.segments[index], end_reason=change.reason, ended_to=to)
    call.segments[index] = segment
    effects: list[Effect] = [WriteSegment(segment)]
    return effects if call.ended else [*effects, SetTimer(GradeDue(call.call_id, index), SETTLE_S)]


def close_all(call: CallState, end: CallEnded) -> list[Effect]:
    """The call is over: close the segments that are still open."""
    reason = {"hangup": "customer_hung_up"}.get(end.reason, end.reason)
    if end.reason == "hangup" and end.by == "agent":
        reason = "agent_hung_up"
    effects: list[Effect] = []
    call.past_legs |= call.legs
    indices = {s.index for s in call.open_segments}
    call.legs.clear()
    for index in sorted(indices):
        effects += _close(call, index, end.at, reason, None, certain=True)
    return effects


def grade_due(call: CallState, index: int, now: float) -> list[Effect]:
    """A closed segment's last readings are in: grade it, once."""
    if index not in call.ungraded:
        return []
    call.ungraded.discard(index)
    done: list[Effect] = [CancelTimer(GradeDue(call.call_id, index))]
    segment = call.segments[index]
    if call.opted_out or is_phantom(call, segment):
        return done
    graded = graded_segment(call, segment, call.rules.rubric)
    call.grades[index] = graded
    decision_id = call.decision.decision_id if call.decision else None
    event = build.call_graded(segment, graded, now, call.customer, decision_id)
    facts = {
        "call_id": call.call_id,
        "agent": segment.agent,
        "score": graded.score,
        "letter": graded.letter,
        "evidence_s": round(graded.evidence_s, 1),
    }
    return [
        *done,
        WriteGrade(call.call_id, index, graded, (event,)),
        Show(Graded(call.call_id, index, segment.agent, graded)),
        Count("grades", graded.letter or "none"),
        Note("call.graded", "agent's segment graded", facts),
    ]
