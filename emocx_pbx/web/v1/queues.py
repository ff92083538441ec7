"""Queues: a day's calls in and out, how customers came and went, waits, and who gave up."""

from __future__ import annotations

import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.store.list_rows import QueueCall
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.answers import json_answer, query_of
from emocx_pbx.web.v1.shapes_in import DayQuery
from emocx_pbx.web.v1.shapes_out import QueueItem, QueuesAnswer
from emocx_pbx.web.v1.table import Answer, Endpoint, get
from emocx_pbx.web.v1.who import only_queues

DAY_S = 86_400.0
MAX_DAYS = 31


@scoped("calls:read", "admin", "supervisor")
async def list_queues(request: web.Request) -> web.Response:
    """Every queue's calls in a time: signals in and out, waits, abandoned calls."""
    query, parts = query_of(request, DayQuery), parts_of(request)
    until = parts.now() if query.until is None else query.until
    since = until - DAY_S if query.since is None else query.since
    if not 0 <= until - since <= MAX_DAYS * DAY_S:
        raise InputError(f"query: since: expected at most {MAX_DAYS} days before until, and not after it")
    team = only_queues(request)
    calls = await parts.store.lists.queue_calls(since, until, team=team)
    states = {
        (pbx, name): state
        for pbx, queues in parts.controller.pbx_queues.items()
        for name, state in queues.items()
        if team is None or name in team
    }
    return json_answer(request, QueuesAnswer(since, until, queue_items(calls, states)))


def queue_items(calls: Iterable[QueueCall], states: Mapping[tuple[str, str], QueueState]) -> list[QueueItem]:
    """One item for each queue that had a call or is known to Asterisk."""
    by_queue: dict[tuple[str, str], list[QueueCall]] = defaultdict(list)
    for call in calls:
        by_queue[call.pbx, call.queue].append(call)
    return [_item(*key, by_queue.get(key, []), states.get(key)) for key in sorted({*by_queue, *states})]


def _item(pbx: str, name: str, calls: list[QueueCall], state: QueueState | None) -> QueueItem:
    answered = [c for c in calls if c.answered_at is not None]
    waits = sorted(c.answered_at - c.queued_at for c in answered if c.answered_at is not None)
    scores = [c.score for c in calls if c.score is not None]
    return QueueItem(
        name,
        len(calls),
        len(answered),
        sum(c.abandoned for c in calls),
        sum(c.overflowed for c in calls),
        sum(c.left is None and c.ended_at is None for c in calls),
        statistics.median(waits) if waits else None,
        waits[min(len(waits) - 1, int(0.9 * len(waits)))] if waits else None,
        waits[-1] if waits else None,
        dict(Counter(c.arrived_as for c in calls)),
        dict(Counter(c.left_as for c in answered if c.ended_at is not None)),
        statistics.fmean(scores) if scores else None,
        state.waiting if state else None,
        state.available if state else None,
        pbx=pbx,
    )


ENDPOINTS: tuple[Endpoint, ...] = (
    get(
        "/api/v1/queues",
        list_queues,
        "reports",
        Answer("The queues of the period.", QueuesAnswer),
        query=DayQuery,
    ),
)
