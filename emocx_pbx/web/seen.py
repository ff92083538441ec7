"""Who may see what of calls: agents their own segments, supervisors the queues given to them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emocx_pbx.domain import Segment
from emocx_pbx.store.account_rows import User
from emocx_pbx.store.list_rows import Team
from emocx_pbx.store.rows import AlertRow, CallDetail, CorrectionRow


def own_of(user: User | None) -> str | None:
    """The agent to whose segments a user is restricted; None: unrestricted. A program has no user."""
    return (user.agent or "") if user is not None and user.role == "agent" else None


def team_of(user: User | None) -> Team:
    """The queues to whose calls a user is restricted; None: unrestricted."""
    if user is None or user.role != "supervisor" or user.queues is None:
        return None
    return frozenset(user.queues)


def as_seen(detail: CallDetail, own: str | None, team: Team = None) -> CallDetail | None:
    """A call as it may be shown, on a page or by the API.

    Args:
        detail: from the store.
        own: the agent who asks; None: somebody who may see all.
        team: the queues of the supervisor who asks, who sees the whole of each such call.

    Returns:
        None if the agent has no part in it, or it was in none of the queues: indistinguishable from a call
            that does not exist.
    """
    if team is not None and team.isdisjoint(queues_of(detail)):
        return None
    if own is None:
        return detail
    segments = tuple(s for s in detail.segments if s.agent == own)
    if not segments:
        return None
    theirs = {s.index for s in segments}
    zero = detail.call.tapped_at
    return replace(
        detail,
        segments=segments,
        readings=tuple(r for r in detail.readings if _within((r.t0 + r.t1) / 2, segments, zero)),
        spans=tuple(s for s in detail.spans if _within((s.t0 + s.t1) / 2, segments, zero)),
        holds=tuple(h for h in detail.holds if _within(h.started_at, segments, 0.0)),
        grades=tuple(g for g in detail.grades if g.segment in theirs),
        events=(),
        alerts=alerts_seen(detail.alerts, segments),
        said=(),
    )


def queues_of(detail: CallDetail) -> set[str]:
    """All queues that a call was in or was answered from; the lists' view `queue_of_call` says the same."""
    answered = (segment.queue for segment in detail.segments)
    return {q for q in (detail.call.queue, *(v.queue for v in detail.visits), *answered) if q}


def alerts_seen(alerts: Sequence[AlertRow], segments: Sequence[Segment]) -> tuple[AlertRow, ...]:
    """The alerts raised in these segments."""
    theirs = {s.index for s in segments}
    return tuple(a for a in alerts if a.segment in theirs)


def corrections_seen(corrections: Sequence[CorrectionRow], detail: CallDetail) -> list[CorrectionRow]:
    """The corrections of readings that may be seen."""
    read = {(r.t0, r.t1) for r in detail.readings}
    return [c for c in corrections if (c.t0, c.t1) in read]


def _within(t: float, segments: Sequence[Segment], zero: float | None) -> bool:
    if zero is None:
        return False
    return any(
        s.started_at <= t + zero <= (float("inf") if s.ended_at is None else s.ended_at) for s in segments
    )
