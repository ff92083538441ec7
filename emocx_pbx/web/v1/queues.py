"""Queues: a day's calls in and out, how customers came and went, waits, and who gave up."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.store.list_rows import OVERFLOWED, QueueStays
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.shown.queues import counted
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
    now = parts.now()
    until = now if query.until is None else query.until
    since = until - DAY_S if query.since is None else query.since
    if not 0 <= until - since <= MAX_DAYS * DAY_S:
        raise InputError(f"query: since: expected at most {MAX_DAYS} days before until, and not after it")
    team = only_queues(request)
    stays = await parts.store.lists.queue_stays(since, until, now, team=team)
    states = {
        (pbx, name): state
        for pbx, queues in parts.controller.pbx_queues.items()
        for name, state in queues.items()
        if team is None or name in team
    }
    return json_answer(request, QueuesAnswer(since, until, queue_items(stays, states)))


def queue_items(stays: Iterable[QueueStays], states: Mapping[tuple[str, str], QueueState]) -> list[QueueItem]:
    """One item for each queue that had a call or is known to Asterisk."""
    by_queue: dict[tuple[str, str], list[QueueStays]] = defaultdict(list)
    for some in stays:
        by_queue[some.pbx, some.queue].append(some)
    return [_item(*key, by_queue.get(key, []), states.get(key)) for key in sorted({*by_queue, *states})]


def _item(pbx: str, name: str, stays: list[QueueStays], state: QueueState | None) -> QueueItem:
    answered = [some for some in stays if some.left == "answered"]
    waits = sorted(wait for some in answered for wait in some.waits)
    left = counted((some.left, some.number) for some in stays)
    scored = sum(some.scored for some in stays)
    return QueueItem(
        name,
        sum(left.values()),
        len(waits),
        left["abandoned"],
        sum(left[why] for why in OVERFLOWED),
        sum(some.number for some in stays if some.left is None and not some.ended),
        statistics.median(waits) if waits else None,
        waits[min(len(waits) - 1, int(0.9 * len(waits)))] if waits else None,
        waits[-1] if waits else None,
        dict(counted((some.arrived_as, some.number) for some in stays)),
        dict(counted((some.left_as, some.number) for some in answered if some.ended)),
        sum(some.score_sum for some in stays) / scored if scored else None,
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
