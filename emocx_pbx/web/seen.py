"""What an agent may know of a call: the agent's own parts, what was heard and graded in them. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from emocx_pbx.domain import Segment
from emocx_pbx.store.rows import AlertRow, CallDetail, CorrectionRow


def as_seen(detail: CallDetail, own: str | None) -> CallDetail | None:
    """A call as it may be told, by whichever door.

    Args:
        detail: from the store.
        own: the agent who asks; None: somebody who may see all.

    Returns:
        None if the agent takes no part in it, which is said like a call that is not there.
    """
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
    )


def alerts_seen(alerts: Sequence[AlertRow], segments: Sequence[Segment]) -> tuple[AlertRow, ...]:
    """Those raised in these segments."""
    theirs = {s.index for s in segments}
    return tuple(a for a in alerts if a.segment in theirs)


def corrections_seen(corrections: Sequence[CorrectionRow], detail: CallDetail) -> list[CorrectionRow]:
    """Those of the readings that may be seen."""
    heard = {(r.t0, r.t1) for r in detail.readings}
    return [c for c in corrections if (c.t0, c.t1) in heard]


def _within(t: float, segments: Sequence[Segment], zero: float | None) -> bool:
    if zero is None:
        return False
    return any(
        s.started_at <= t + zero <= (float("inf") if s.ended_at is None else s.ended_at) for s in segments
    )
