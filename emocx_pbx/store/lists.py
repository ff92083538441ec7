"""Reads for people: lists by pages, sums by agent and queue; on a connection of their own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import Any, Final

import msgspec

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.domain import Decision
from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.kept_sums import KeptSums, Sum
from emocx_pbx.store.list_rows import (
    AgentCell,
    AgentLetter,
    Arm,
    CallFilter,
    CallItem,
    DeliveryFilter,
    GradeFilter,
    ListPosition,
    Names,
    QueueCall,
    SegmentItem,
    Spread,
    Team,
    team_text,
)
from emocx_pbx.store.rows import CorrectionRow, DecisionRow, DeliveryRow

#: Between the items of a list in one column.
_SEPARATOR: Final = "\x1f"
#: Calls of one look at the queues: a day of a large centre.
MAX_QUEUE_CALLS: Final = 50_000
#: Stretches that agents' grades are cut into, and days, of periods that pages offer.
PERIODS: Final = (7, 30, 90, 365)
BINS: Final = 8
DAY_S: Final = 86_400.0
_DELIVERY_FIELDS: Final = tuple(f.name for f in fields(DeliveryRow) if f.init)
_START: Final = ListPosition()


class Lists:
    """What pages and the API read; nothing here writes.

    Sums over very many calls are kept (`kept_sums.py`): one more call would not be seen in them. Smaller
    ones are always of now.
    """

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self.sums = KeptSums(connection.view_rows, connection.ranking_rows, clock)

    async def calls(
        self,
        which: CallFilter,
        limit: int = 50,
        after: ListPosition = _START,
        own: str | None = None,
        team: Team = None,
    ) -> list[CallItem]:
        """Calls, newest first; the next page begins after the last one's `place_of_call`.

        `own` is the agent who asks: then only that agent's calls, told and filtered by the agent's own parts.
        `team`: only calls that were in one of these queues.
        """
        if own is not None:
            asked = {name: value for name, value in asdict(which).items() if name != "agent"}
            rows = await self._rows(
                "view_own_calls", **asked, own=own, at=after.at, call_id=after.key, limit=limit
            )
            return [_call_item(row) for row in rows]
        rows = await self._rows(
            "view_calls",
            **asdict(which),
            team=team_text(team),
            at=after.at,
            call_id=after.key,
            limit=limit,
        )
        return [_call_item(row) for row in rows]

    async def call(self, call_id: str, own: str | None = None, team: Team = None) -> CallItem | None:
        """One call as lists show it, to the agent `own`, or to those who see these queues."""
        if own is not None:
            found = await self.calls(CallFilter(search=call_id), 50, own=own)
            return next((item for item in found if item.call_id == call_id), None)
        row = await self._rows("view_call", call_id=call_id, team=team_text(team))
        return _call_item(row[0]) if row else None

    async def grades(
        self, which: GradeFilter, limit: int = 50, after: ListPosition = _START, team: Team = None
    ) -> list[SegmentItem]:
        """Graded segments with their valid grades, newest first; `team`: of calls of these queues."""
        rows = await self._rows(
            "view_grades",
            **asdict(which),
            team=team_text(team),
            at=after.at,
            call_id=after.key,
            number=after.number,
            limit=limit,
        )
        return [_segment_item(row) for row in rows]

    async def decisions(
        self,
        since: float = -math.inf,
        until: float = math.inf,
        status: str | None = None,
        queue: str | None = None,
        emotion: str | None = None,
        limit: int = 50,
        after: ListPosition = _START,
        team: Team = None,
        pbx: str | None = None,
    ) -> list[DecisionRow]:
        """Decisions, newest first."""
        rows = await self._rows(
            "view_decisions", since=since, until=until, pbx=pbx, status=status, queue=queue, emotion=emotion,
            team=team_text(team), at=after.at, decision_id=after.key, limit=limit,
        )  # fmt: skip
        return [
            DecisionRow(
                msgspec.json.decode(r["body"], type=Decision), r["call_id"], r["customer_key"], r["text"]
            )
            for r in rows
        ]

    async def deliveries(
        self, which: DeliveryFilter, limit: int = 50, before: int | None = None, team: Team = None
    ) -> list[DeliveryRow]:
        """Deliveries, newest first; the next page is `before` the last one's delivery_id."""
        asked = {
            "receiver": which.receiver,
            "state": which.state,
            "type": which.type,
            "team": team_text(team),
            "before": 2**62 if before is None else before,
            "limit": limit,
        }
        if which.call_id is None:
            rows = await self._rows("view_deliveries", **asked)
        else:
            rows = await self._rows("view_deliveries_of_call", stream=which.call_id, **asked)
        return [DeliveryRow(**{name: row[name] for name in _DELIVERY_FIELDS}) for row in rows]

    async def agents_by_cell(
        self, since: float, until: float, bin_s: float, team: Team = None
    ) -> list[AgentCell]:
        """Agents' scores by how customers came and by stretches of `bin_s` seconds: for rankings."""
        rows = await self.sums.rows(_cells(since, until, round((until - since) / bin_s), team))
        return [AgentCell(*row) for row in rows]

    async def agents_by_letter(
        self, since: float, until: float, agent: str | None = None, team: Team = None
    ) -> list[AgentLetter]:
        """How often agents got which letter in a time."""
        rows = await self.sums.rows(_letters(since, until, agent, team))
        return [AgentLetter(r["agent"], r["letter"], r["segments"]) for r in rows]

    async def queue_calls(
        self, since: float, until: float, limit: int = MAX_QUEUE_CALLS, team: Team = None
    ) -> list[QueueCall]:
        """The stays in queues of a day, in their order."""
        rows = await self._rows(
            "view_queue_calls", since=since, until=until, team=team_text(team), limit=limit
        )
        return [QueueCall(*row) for row in rows]

    async def arms(self, since: float, until: float, team: Team = None) -> dict[str, Arm]:
        """`routed` and `holdout`: how customers of each fared."""
        rows = await self.sums.rows(_arms(since, until, team))
        return {
            row["arm"]: Arm(
                row["customers"], row["calls"], _measure(row, "score"), _measure(row, "abandoned"),
                _measure(row, "wait"), _measure(row, "talk"),
            )
            for row in rows
        }  # fmt: skip

    async def names(self, since: float = -math.inf, team: Team = None) -> Names:
        """Queues and agents that occurred since then, for the lists of filters."""
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


def standard_sums(now: float) -> list[Sum]:
    """What the pages of agents and of the benefit ask for at `now` (Unix seconds)."""
    periods = [(now - days * DAY_S, now) for days in PERIODS]
    return [
        made
        for since, until in periods
        for made in (_cells(since, until, BINS), _letters(since, until), _arms(since, until))
    ]


def _cells(since: float, until: float, bins: int, team: Team = None) -> Sum:
    return Sum("view_agents_by_cell", "graded", since, until, {"team": team_text(team)}, bins)


def _letters(since: float, until: float, agent: str | None = None, team: Team = None) -> Sum:
    return Sum("view_agents_by_letter", "segments", since, until, {"agent": agent, "team": team_text(team)})


def _arms(since: float, until: float, team: Team = None) -> Sum:
    return Sum("view_arms", "calls", since, until, {"team": team_text(team)})


def place_of_call(item: CallItem) -> ListPosition:
    """Where a page ends that this call is the last of."""
    return ListPosition(item.started_at, item.call_id)


def place_of_grade(segment: SegmentItem) -> ListPosition:
    """Where a page ends that this part is the last of."""
    return ListPosition(segment.started_at, segment.call_id, segment.segment)


def place_of_decision(row: DecisionRow) -> ListPosition:
    """Where a page ends that this decision is the last of."""
    return ListPosition(row.decision.at, row.decision.decision_id)


def _call_item(row: Row) -> CallItem:
    queued, answered = row["queued_at"], row["answered_at"]
    over = answered if answered is not None else row["ended_at"]
    # A callback's ringing is no waiting.
    since = queued if queued is not None or row["callback"] is not None else row["started_at"]
    wait_s = None if over is None or since is None else max(0.0, over - since)
    return CallItem(
        row["call_id"],
        row["started_at"],
        row["ended_at"],
        row["end_reason"],
        row["queue"],
        row["customer_key"],
        row["caller"],
        row["status"],
        row["arrived_as"],
        row["left_as"],
        row["valence"],
        row["topic"],
        wait_s,
        row["talk_s"],
        _listed(row["agents"]),
        _listed(row["letters"]),
        row["score"],
        row["alerts"],
        bool(row["disputed"]),
        row["disposition"],
        row["hung_up_by"],
        row["callback"],
        tuple(row["visits"].split(_SEPARATOR)) if row["visits"] else (),
        tuple(row["transfers"].split(_SEPARATOR)) if row["transfers"] else (),
        pbx_of(row["call_id"]),
    )


def _listed(text: str | None) -> tuple[str, ...]:
    return tuple(text[1:-1].split(_SEPARATOR)) if text else ()


def _segment_item(row: Row) -> SegmentItem:
    return SegmentItem(
        row["call_id"],
        row["number"],
        row["agent"],
        row["queue"],
        row["via"],
        row["started_at"],
        row["ended_at"],
        row["arrived_as"],
        row["score"],
        row["letter"],
        row["low"],
        row["high"],
        row["evidence_s"],
        row["revision"],
        row["grade_kind"],
        row["graded_at"],
        row["end_reason"],
        row["ended_to"],
        pbx_of(row["call_id"]),
    )


def _spread(row: Row) -> Spread:
    return Spread.of(row["graded"], row["mean"], row["squares"])


def _measure(row: Row, name: str) -> Spread:
    return Spread.of(row[f"{name}_n"], row[f"{name}_mean"], row[f"{name}_squares"])
