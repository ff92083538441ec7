"""Pages' lists for a spreadsheet: waiting and active calls, a call's own lists, the benefit, one's
sessions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final

from aiohttp import web

from emocx_pbx.domain import LABELS
from emocx_pbx.live.calls import EndedCall, LiveCall, LiveGrade
from emocx_pbx.routing.benefit import Comparison
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.passwords import token_hash
from emocx_pbx.web.identity.sessions import user_of, visitor_of
from emocx_pbx.web.pages.call import call_context
from emocx_pbx.web.pages.shared import DAY_S, days_of, only_agent, only_queues, seen_call
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.shown.arms import compared
from emocx_pbx.web.shown.call import CallView
from emocx_pbx.web.v1.export import short_csv

Rows = Sequence[Sequence[Any]]

_LIVE: Final = (
    "state", "since_at", "call_id", "queue", "agent", "customer", "arrived_as", "emotion", "confidence",
    "started_at", "ended_at", "grades", "alerts",
)  # fmt: skip
_EMOTIONS: Final = tuple(str(label) for label in LABELS)


@allow("admin", "supervisor")
async def live(request: web.Request) -> web.StreamResponse:
    """The calls of the live view: those waiting or in conversation, then those that ended last."""
    shown = parts_of(request).live.snapshot(only_agent(request), only_queues(request))
    rows = [*map(_going_on, shown.calls), *map(_ended, shown.recent)]
    return short_csv(request, "live.csv", _LIVE, rows)


def _going_on(call: LiveCall) -> Sequence[Any]:
    alerts = tuple(alert.message for alert in call.alerts if alert.over_at is None)
    return (
        call.state, call.since, call.call_id, call.queue, call.agent, call.customer, call.arrived_as,
        call.emotion, _rounded(call.confidence), call.started_at, None, _grades(call.grades), alerts,
    )  # fmt: skip


def _ended(call: EndedCall) -> Sequence[Any]:
    return (
        call.disposition or call.reason, None, call.call_id, call.queue, call.agent, None, call.arrived_as,
        call.emotion, None, None, call.ended_at, _grades(call.grades), (),
    )  # fmt: skip


def _grades(grades: Sequence[LiveGrade]) -> tuple[str, ...]:
    return tuple(f"{g.agent} {g.letter or '-'}" for g in grades)


@allow("admin", "supervisor")
async def benefit(request: web.Request) -> web.StreamResponse:
    """Both groups' measures, in their own units."""
    parts, now = parts_of(request), parts_of(request).now()
    arms = await parts.store.lists.arms(now - days_of(request, 90) * DAY_S, now, only_queues(request))
    head = [field.name for field in fields(Comparison)]
    rows = [[_rounded(getattr(c, name), 4) for name in head] for c in compared(arms)]
    return short_csv(request, "benefit.csv", head, rows)


@allow("admin", "supervisor", "agent")
async def sessions(request: web.Request) -> web.StreamResponse:
    """The viewer's own sessions, without their secrets."""
    here = token_hash(visitor_of(request).session)
    found = await parts_of(request).store.accounts.sessions_of(user_of(request).user_id)
    head = ("last_seen_at", "created_at", "address", "browser", "this_session")
    rows = [(s.last_seen_at, s.created_at, s.address, s.agent, s.session_hash == here) for s in found]
    return short_csv(request, "sessions.csv", head, rows)


def _readings(view: CallView) -> Rows:
    rows = []
    for r in view.readings:
        shares = dict(r.shares)
        corrected = r.correction.emotion if r.correction else None
        rows.append((
            round(r.t0, 2), round(r.t1, 2), r.emotion, *(_rounded(shares[e]) for e in _EMOTIONS), r.agent,
            r.counts_in, corrected, r.evidence, r.model,
        ))  # fmt: skip
    return rows


def _words(view: CallView) -> Rows:
    return [(round(w.t0, 2), round(w.t1, 2), w.text) for w in view.said]


def _lines(view: CallView) -> Rows:
    return [
        (segment.index, segment.agent, line.name, _rounded(line.points, 2), line.detail)
        for segment in view.segments
        for line in segment.lines
    ]


def _deliveries(view: CallView) -> Rows:
    return [
        (d.type, d.sequence, d.receiver, d.state, d.attempts, d.last_at, d.last_status, d.last_error,
         d.last_answer)
        for d in view.deliveries
    ]  # fmt: skip


#: Lists of a call by name: their columns, and their rows; times are seconds since the call's begin.
_OF_A_CALL: Final[dict[str, tuple[Sequence[str], Callable[[CallView], Rows]]]] = {
    "readings": (
        ("t0", "t1", "emotion", *_EMOTIONS, "agent", "counts_in", "corrected", "evidence", "model"),
        _readings,
    ),
    "words": (("t0", "t1", "text"), _words),
    "lines": (("part", "agent", "line", "points", "because"), _lines),
    "deliveries": (
        ("event", "sequence", "receiver", "state", "attempts", "last_at", "last_status", "last_error",
         "last_answer"),
        _deliveries,
    ),
}  # fmt: skip


@allow("admin", "supervisor", "agent")
async def of_call(request: web.Request) -> web.StreamResponse:
    """A list on a call's page: readings, words, or lines of its grades; an agent gets what they see there."""
    return await _of_call(request, request.path.rpartition("/")[2].removesuffix(".csv"))


@allow("admin", "supervisor")
async def deliveries(request: web.Request) -> web.StreamResponse:
    """The state of the deliveries of the call's events."""
    return await _of_call(request, "deliveries")


async def _of_call(request: web.Request, name: str) -> web.StreamResponse:
    head, rows = _OF_A_CALL[name]
    view: CallView = (await call_context(request, await seen_call(request)))["view"]
    return short_csv(request, f"{name}.csv", head, rows(view))


def _rounded(value: Any, digits: int = 3) -> Any:
    return round(value, digits) if isinstance(value, float) else value


def routes() -> list[web.RouteDef]:
    """Where they are."""
    return [
        web.get("/live.csv", live),
        web.get("/benefit.csv", benefit),
        web.get("/account/sessions.csv", sessions),
        web.get("/calls/{call_id}/readings.csv", of_call),
        web.get("/calls/{call_id}/words.csv", of_call),
        web.get("/calls/{call_id}/lines.csv", of_call),
        web.get("/calls/{call_id}/deliveries.csv", deliveries),
    ]
