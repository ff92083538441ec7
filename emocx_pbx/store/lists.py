"""Reads for people: paged lists, sums by agent and queue; on a connection of their own."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, fields
from typing import Any, Final

import msgspec

from emocx_pbx.domain import Decision
from emocx_pbx.store import standard_sums as sums
from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.kept_sums import KeptSums
from emocx_pbx.store.list_items import call_item, segment_item
from emocx_pbx.store.list_rows import (
    AgentCell,
    AgentLetter,
    Arm,
    CallFilter,
    CallItem,
    DecisionFilter,
    DeliveryFilter,
    GradeFilter,
    ListPosition,
    Names,
    QueueStays,
    SegmentItem,
    Spread,
    Team,
    team_text,
)
from emocx_pbx.store.queue_days import QueueDays
from emocx_pbx.store.rows import CorrectionRow, DecisionRow, DeliveryRow
from emocx_pbx.store.searching import Page, Stretches

_DELIVERY_FIELDS: Final = tuple(f.name for f in fields(DeliveryRow) if f.init)
_START: Final = ListPosition()
_OLDEST: Final = ListPosition(-math.inf)
_NO_DELIVERY: Final = 2**62
_ANY_DECISION: Final = DecisionFilter()


class Lists:
    """What pages and the API read; nothing here writes.

    Sums over very many calls are cached (`kept_sums.py`): one more call would not show in them. Smaller ones
    are always current.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection, self._clock = connection, clock
        self.sums = KeptSums(connection.view_rows, connection.ranking_rows, clock)
        self.queue_days = QueueDays(connection.view_rows, connection.ranking_rows, self.sums)

    async def calls(
        self,
        which: CallFilter,
        limit: int = 50,
        after: ListPosition = _START,
        own: str | None = None,
        team: Team = None,
    ) -> list[CallItem]:
        """Calls, newest first; the next page begins after the last one's `place_of_call`.

        All rows are searched, however long that takes; use `page_of_calls` where that is too long. `own` is
        the agent who asks: then only that agent's calls, shown and filtered by the agent's own segments.
        `team`: only calls that were in one of these queues.
        """
        begin, end = _bounds(which.since, which.until, after)
        return await self._calls(which, own, team)(limit, begin, end)

    async def page_of_calls(
        self,
        which: CallFilter,
        limit: int = 50,
        after: ListPosition = _START,
        own: str | None = None,
        team: Team = None,
    ) -> Page[CallItem]:
        """The same, as far as they can be found within the time for a page."""
        begin, end = _bounds(which.since, which.until, after)

        async def newest(place: ListPosition) -> ListPosition | None:
            agent = which.agent if own is None else own
            return await self._newest(
                "newest_call", place, end, pbx=which.pbx, queue=which.queue, agent=agent
            )

        async def edge(place: ListPosition, rows: int) -> ListPosition | None:
            return await self._edge("call_edge", at=place.at, call_id=place.key, **_to(end), rows=rows)

        search = Stretches(self._calls(which, own, team), edge, newest, place_of_call, end)
        return await search.page(limit, begin, self._clock)

    def _calls(
        self, which: CallFilter, own: str | None, team: Team
    ) -> Callable[[int, ListPosition, ListPosition], Awaitable[list[CallItem]]]:
        asked = _asked(which, "agent") if own is not None else _asked(which)
        query = "view_calls" if own is None else "view_own_calls"
        whose: dict[str, Any] = {"team": team_text(team)} if own is None else {"own": own}

        async def read(limit: int, after: ListPosition, end: ListPosition) -> list[CallItem]:
            rows = await self._rows(
                query, **asked, **whose, at=after.at, call_id=after.key, **_to(end), limit=limit
            )
            return [call_item(row) for row in rows]

        return read

    async def call(self, call_id: str, own: str | None = None, team: Team = None) -> CallItem | None:
        """One call as lists show it, to the agent `own`, or to those who see these queues."""
        row = await self._rows("view_call", call_id=call_id, team=None if own else team_text(team))
        if not row or own is None:
            return call_item(row[0]) if row else None
        at = row[0]["started_at"]
        only = CallFilter(since=at, until=math.nextafter(at, math.inf), search=call_id)
        found = await self.calls(only, 50, own=own)
        return next((item for item in found if item.call_id == call_id), None)

    async def grades(
        self, which: GradeFilter, limit: int = 50, after: ListPosition = _START, team: Team = None
    ) -> list[SegmentItem]:
        """Graded segments with their valid grades, newest first; `team`: of calls of these queues."""
        begin, end = _bounds(which.since, which.until, after)
        return await self._grades(which, team)(limit, begin, end)

    async def page_of_grades(
        self, which: GradeFilter, limit: int = 50, after: ListPosition = _START, team: Team = None
    ) -> Page[SegmentItem]:
        """The same, as far as they can be found within the time for a page."""
        begin, end = _bounds(which.since, which.until, after)

        async def newest(place: ListPosition) -> ListPosition | None:
            return await self._newest("newest_part", place, end, agent=which.agent)

        async def edge(place: ListPosition, rows: int) -> ListPosition | None:
            return await self._edge("grade_edge", **_behind(place), **_to(end), to_number=0, rows=rows)

        search = Stretches(self._grades(which, team), edge, newest, place_of_grade, end)
        return await search.page(limit, begin, self._clock)

    def _grades(
        self, which: GradeFilter, team: Team
    ) -> Callable[[int, ListPosition, ListPosition], Awaitable[list[SegmentItem]]]:
        async def read(limit: int, after: ListPosition, end: ListPosition) -> list[SegmentItem]:
            rows = await self._rows(
                "view_grades", **_asked(which), team=team_text(team), **_behind(after), **_to(end),
                to_number=end.number, limit=limit,
            )  # fmt: skip
            return [segment_item(row) for row in rows]

        return read

    async def decisions(
        self,
        which: DecisionFilter = _ANY_DECISION,
        limit: int = 50,
        after: ListPosition = _START,
        team: Team = None,
    ) -> list[DecisionRow]:
        """Decisions, newest first."""
        begin, end = _bounds(which.since, which.until, after)
        return await self._decisions(which, team)(limit, begin, end)

    async def page_of_decisions(
        self,
        which: DecisionFilter = _ANY_DECISION,
        limit: int = 50,
        after: ListPosition = _START,
        team: Team = None,
    ) -> Page[DecisionRow]:
        """The same, as far as they can be found within the time for a page."""
        begin, end = _bounds(which.since, which.until, after)

        async def newest(place: ListPosition) -> ListPosition | None:
            return await self._newest("newest_decision", place, end, queue=which.queue)

        async def edge(place: ListPosition, rows: int) -> ListPosition | None:
            return await self._edge(
                "decision_edge", at=place.at, decision_id=place.key, **_to(end), rows=rows
            )

        search = Stretches(self._decisions(which, team), edge, newest, place_of_decision, end)
        return await search.page(limit, begin, self._clock)

    def _decisions(
        self, which: DecisionFilter, team: Team
    ) -> Callable[[int, ListPosition, ListPosition], Awaitable[list[DecisionRow]]]:
        async def read(limit: int, after: ListPosition, end: ListPosition) -> list[DecisionRow]:
            rows = await self._rows(
                "view_decisions", **_asked(which), team=team_text(team), at=after.at, decision_id=after.key,
                **_to(end), limit=limit,
            )  # fmt: skip
            return [
                DecisionRow(
                    msgspec.json.decode(r["body"], type=Decision), r["call_id"], r["customer_key"], r["text"]
                )
                for r in rows
            ]

        return read

    async def deliveries(
        self, which: DeliveryFilter, limit: int = 50, before: int | None = None, team: Team = None
    ) -> list[DeliveryRow]:
        """Deliveries, newest first; the next page is `before` the last one's delivery_id."""
        after = ListPosition(number=_NO_DELIVERY if before is None else before)
        return await self._deliveries(which, team)(limit, after, _OLDEST)

    async def page_of_deliveries(
        self, which: DeliveryFilter, limit: int = 50, after: ListPosition = _START, team: Team = None
    ) -> Page[DeliveryRow]:
        """The same, as far as they can be found within the time for a page; of a place only the number
        counts.
        """

        async def newest(place: ListPosition) -> ListPosition | None:
            if which.call_id is not None:
                return place
            asked = {"receiver": which.receiver, "state": which.state, "before": place.number}
            (row,) = await self._rows("newest_delivery", **asked)
            if which.receiver is None or row["of_receiver"] is None:
                newest = row["number"] if which.receiver is None else None
            else:
                newest = row["number"] if which.state is None else row["in_state"]
            return None if newest is None else ListPosition(number=min(place.number, newest + 1))

        async def edge(place: ListPosition, rows: int) -> ListPosition | None:
            # Numbers have few gaps. A call has few deliveries, which an index finds.
            least = place.number - rows
            return ListPosition(number=least) if least > 0 and which.call_id is None else None

        search = Stretches(self._deliveries(which, team), edge, newest, place_of_delivery, _OLDEST)
        return await search.page(limit, ListPosition(number=after.number or _NO_DELIVERY), self._clock)

    def _deliveries(
        self, which: DeliveryFilter, team: Team
    ) -> Callable[[int, ListPosition, ListPosition], Awaitable[list[DeliveryRow]]]:
        async def read(limit: int, after: ListPosition, end: ListPosition) -> list[DeliveryRow]:
            asked = {
                "receiver": which.receiver,
                "state": which.state,
                "type": which.type,
                "team": team_text(team),
                "before": after.number,
                "limit": limit,
            }
            if which.call_id is not None:
                rows = await self._rows("view_deliveries_of_call", stream=which.call_id, **asked)
            elif which.receiver is not None and which.state is not None:
                rows = await self._rows("view_deliveries_in_state", least=end.number, **asked)
            else:
                rows = await self._rows("view_deliveries", least=end.number, **asked)
            return [DeliveryRow(**{name: row[name] for name in _DELIVERY_FIELDS}) for row in rows]

        return read

    async def _newest(
        self, query: str, place: ListPosition, end: ListPosition, **asked: str | None
    ) -> ListPosition | None:
        """Where rows with these names begin; None: there are none behind the place."""
        names = {name: value for name, value in asked.items() if value is not None}
        if not names:
            return place
        (row,) = await self._rows(query, at=place.at, **asked)
        for name in names:
            at = row[f"of_{name}"]
            if at is None or at < end.at:
                return None
            place = min(place, _just_behind(at), key=_order)
        return place

    async def _edge(self, query: str, **asked: Any) -> ListPosition | None:
        row = await self._rows(query, **asked)
        return ListPosition(row[0]["at"], row[0]["key"], row[0]["number"]) if row else None

    async def delivery_counts(self, now: float) -> dict[tuple[str, str], int]:
        """Number of deliveries by receiver and state; if there are very many, delivered ones are as of
        minutes ago.
        """
        delivered = [row for row in await self.sums.rows(sums.delivered(now)) if row["state"] == "delivered"]
        owed = await self._rows("owed_deliveries")
        return {(row["receiver"], row["state"]): row["number"] for row in (*delivered, *owed)}

    async def agents_by_cell(
        self, since: float, until: float, bin_s: float, team: Team = None
    ) -> list[AgentCell]:
        """Agents' scores by how customers arrived and by bins of `bin_s` seconds: for rankings."""
        rows = await self.sums.rows(sums.cells(since, until, round((until - since) / bin_s), team))
        return [AgentCell(*row) for row in rows]

    async def agents_by_letter(
        self, since: float, until: float, agent: str | None = None, team: Team = None
    ) -> list[AgentLetter]:
        """How often agents, or one, got each letter in a period: from the kept sum over all of them."""
        rows = await self.sums.rows(sums.letters(since, until, team))
        return [AgentLetter(*row) for row in rows if agent is None or row["agent"] == agent]

    async def queue_stays(
        self, since: float, until: float, now: float, bins: int = 1, team: Team = None
    ) -> list[QueueStays]:
        """The stays in queues that began in a period, cut into `bins`: as `QueueDays.stays`."""
        return await self.queue_days.stays(since, until, now, bins, team)

    async def arms(self, since: float, until: float, team: Team = None) -> dict[str, Arm]:
        """`routed` and `holdout`: the results of each arm's customers."""
        rows = await self.sums.rows(sums.arms(since, until, team))
        return {
            row["arm"]: Arm(
                row["customers"], row["calls"], _measure(row, "score"), _measure(row, "abandoned"),
                _measure(row, "wait"), _measure(row, "talk"),
            )
            for row in rows
        }  # fmt: skip

    async def names(self, since: float = -math.inf, team: Team = None) -> Names:
        """Queues and agents that have occurred since a time, for the choices in filters."""
        rows = await self._rows("view_names", since=since, team=team_text(team))
        return Names(
            tuple(r["name"] for r in rows if r["kind"] == "queue"),
            tuple(r["name"] for r in rows if r["kind"] == "agent"),
        )

    async def corrections_of_call(self, call_id: str) -> list[CorrectionRow]:
        """Supervisors' labels of a call's readings, oldest first."""
        return [
            CorrectionRow(**dict(row)) for row in await self._rows("corrections_of_call", call_id=call_id)
        ]

    async def _rows(self, query: str, **parameters: Any) -> list[Row]:
        return await self._connection.view_rows(query, **parameters)


def _asked(which: CallFilter | GradeFilter | DecisionFilter, *but: str) -> dict[str, Any]:
    """A filter as queries take it; its times become places."""
    return {name: value for name, value in asdict(which).items() if name not in {"since", "until", *but}}


def _bounds(since: float, until: float, after: ListPosition) -> tuple[ListPosition, ListPosition]:
    """The places that a list is behind of, and goes down to."""
    return min(after, ListPosition(until), key=_order), ListPosition(since)


def _order(place: ListPosition) -> tuple[float, str, int]:
    return place.at, place.key, place.number


def _just_behind(at: float) -> ListPosition:
    """The place just before everything of that moment and earlier."""
    return ListPosition(math.nextafter(at, math.inf))


def _behind(after: ListPosition) -> dict[str, Any]:
    return {"at": after.at, "call_id": after.key, "number": after.number}


def _to(end: ListPosition) -> dict[str, Any]:
    return {"to_at": end.at, "to_id": end.key}


def place_of_call(item: CallItem) -> ListPosition:
    """The place where a page ends if this call is its last."""
    return ListPosition(item.started_at, item.call_id)


def place_of_grade(segment: SegmentItem) -> ListPosition:
    """The place where a page ends if this segment is its last."""
    return ListPosition(segment.started_at, segment.call_id, segment.segment)


def place_of_delivery(row: DeliveryRow) -> ListPosition:
    """The place where a page ends if this delivery is its last."""
    return ListPosition(number=row.delivery_id)


def place_of_decision(row: DecisionRow) -> ListPosition:
    """The place where a page ends if this decision is its last."""
    return ListPosition(row.decision.at, row.decision.decision_id)


def _spread(row: Row) -> Spread:
    return Spread.of(row["graded"], row["mean"], row["squares"])


def _measure(row: Row, name: str) -> Spread:
    return Spread.of(row[f"{name}_n"], row[f"{name}_mean"], row[f"{name}_squares"])
