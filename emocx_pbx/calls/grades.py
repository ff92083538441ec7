"""The grade of one agent's segment, and how a call ended, from what is known of the call. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from emocx_pbx.domain import Decision, Grade, Scores, Segment, Visit
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.segments import facts_of, grade_segment, scores_before, window_of

if TYPE_CHECKING:
    from emocx_pbx.calls.call_state import CallState

Disposition = Literal[
    "answered", "abandoned", "overflowed", "voicemail", "no-answer", "busy", "failed", "lost"
]

#: Seconds below which a segment in which nobody spoke did not exist for the customer.
LEAST_S: Final = 1.0
#: Seconds within which the call of a caller given up by the queue must end to have gone nowhere else.
NOWHERE_S: Final = 1.0


def graded_segment(call: CallState, segment: Segment, rubric: Rubric) -> Grade:
    """The grade of one agent's segment, from its readings and utterances."""
    missed = {"missed_s": round(segment.missed_s, 1)} if segment.missed_s else {}
    if call.zero_at is None:
        return grade([], rubric, facts=missed)
    t0, t1 = window_of(segment, call.zero_at)
    # An agent who takes over a call is measured from the customer's signals then, not at the call's start.
    before = scores_before(call.readings, t0)
    arrived = before if segment.index > 0 and before else _routing_scores(call.decision)
    end = segment.ended_at or segment.started_at
    holds = [(a - call.zero_at, (b or end) - call.zero_at) for a, b in call.holds]
    facts = facts_of(call.spans, t0, t1, holds) | missed
    return grade_segment(call.readings, (t0, t1), call.spans, rubric, arrived, facts)


#: Reasons for an end that was only noticed afterwards.
UNSEEN: Final = frozenset({"lost", "asterisk_restart"})


def is_phantom(call: CallState, segment: Segment) -> bool:
    """Whether a segment is too short to count: under a second, and nobody spoke.

    A segment whose end was not seen never is: its real length is not known.
    """
    if segment.ended_at is None or segment.ended_at - segment.started_at >= LEAST_S:
        return False
    if segment.end_reason in UNSEEN:
        return False
    if call.zero_at is None:
        return not segment.missed_s
    t0, t1 = window_of(segment, call.zero_at)
    spoken = [(s.t0, s.t1) for s in call.spans] + [(r.t0, r.t1) for r in call.readings]
    return not any(begin < t1 and end > t0 for begin, end in spoken)


def disposition_of(
    reason: str,
    at: float,
    visits: Sequence[Visit],
    answered: bool,
    callback: str | None,
    voicemail: bool,
) -> Disposition:
    """The call's disposition.

    Args:
        reason: why the call ended: hangup, lost or asterisk_restart.
        at: when it ended, Unix seconds.
        visits: stays in queues.
        answered: whether an agent was with the customer.
        callback: how dialling the customer ended; None: the customer called.
        voicemail: whether the caller went to a voicemail box.
    """
    if answered:
        return "answered"
    if reason != "hangup":
        return "lost"
    match callback:
        case "no-answer" | "busy" | "failed":
            return callback
    if voicemail:
        return "voicemail"
    last = visits[-1] if visits else None
    if last is None:
        return "no-answer"
    if last.left in {None, "abandoned"}:
        return "abandoned"
    return "no-answer" if at - (last.left_at or at) <= NOWHERE_S else "overflowed"


def _routing_scores(decision: Decision | None) -> Scores | None:
    if decision is None or decision.probabilities is None:
        return None
    return Scores.of(list(decision.probabilities.values()))
