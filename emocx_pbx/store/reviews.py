"""Windows that people label without the model's answer: rounds, labels, and trainings from them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from emocx_pbx.domain import LABELS, Decision, Scores
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.review.sampling import Drawn, Frame, Key
from emocx_pbx.review.windows import Kind, Labelled, RoundSize
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.connection import Connection, Row
from emocx_pbx.store.list_rows import Team, team_text
from emocx_pbx.store.review_rows import ItemRow, LabelledWindow, RoundRow, Runner, TrainingRow, TrainingState

#: Most labels accepted for one window: more add little.
MOST_PEOPLE: Final = 2
#: Most labelled windows in one report, the newest rounds first.
MOST_LABELLED: Final = 10_000
#: Most trainings listed.
TRAININGS: Final = 20
#: Between labels in one column, and between the two parts of one.
_BETWEEN: Final = "\x1e"
_WITHIN: Final = "\x1f"


@dataclass(frozen=True, slots=True)
class Drawable:
    """What a round can be drawn from."""

    frame: Frame
    began: Mapping[str, float]
    """When the calls of its windows began, or the queries came, by key."""


class Reviews:
    """The part of the store about reviews."""

    def __init__(self, connection: Connection, now: Callable[[], float], audit: AuditLog) -> None:
        self._connection, self._now, self._audit = connection, now, audit
        self._sql = connection.sql

    # Rounds.

    async def drawable(self, kind: Kind, since: float, until: float, most: int) -> Drawable:
        """The windows of a time that were never drawn: how many, and at most `most` of them by chance."""
        asked = {"since": since, "until": until}
        counted = await self._connection.view_rows(f"review_frame_{kind}", **asked)
        whole = await self._connection.view_rows(f"review_sample_{kind}", **asked, doubtful=0, limit=most)
        doubts = await self._connection.view_rows(f"review_sample_{kind}", **asked, doubtful=1, limit=most)
        frame = Frame(
            counted[0]["windows"],
            counted[0]["doubtful"],
            [(_key(row), bool(row["doubtful"])) for row in whole],
            [_key(row) for row in doubts],
        )
        return Drawable(frame, {row["key"]: row["at"] for row in (*whole, *doubts)})

    async def last_until(self, kind: Kind) -> float | None:
        """Time up to which windows of this kind were drawn; None: never."""
        row = await self._connection.row("last_review_until", kind=kind)
        return None if row is None else row["until"]

    async def add_round(
        self, kind: Kind, since: float, until: float, drawn: Drawn, ids: Sequence[str], by: Actor
    ) -> int:
        """Store a round; `ids` name its items. Returns its number."""
        sizes = {"sure": drawn.sure, "doubtful": drawn.doubtful, "unplayable": drawn.unplayable}
        async with self._connection.transaction() as c:
            round_id: int = await self._sql.add_review_round(
                c, kind=kind, since=since, until=until, author=by.name, at=self._now(), **sizes
            )
            rows = [
                {
                    "item_id": item_id,
                    "round_id": round_id,
                    "place": place,
                    "kind": kind,
                    "key": item.key[0],
                    "t0": item.key[1],
                    "t1": item.key[2],
                    "why": item.why,
                    "doubtful": int(item.doubtful),
                    "wanted": item.wanted,
                }
                for place, (item_id, item) in enumerate(zip(ids, drawn.items, strict=True))
            ]
            await self._sql.add_review_items(c, rows)
            facts = {"kind": kind, "windows": len(rows), "of": round(drawn.sure + drawn.doubtful)}
            await self._audit.note(c, by, "review.drawn", str(round_id), None, facts)
        return round_id

    async def rounds(self) -> list[RoundRow]:
        """The newest rounds first."""
        return [RoundRow(**dict(row)) for row in await self._connection.rows("review_rounds")]

    # Labels.

    async def open(self, kind: Kind, author: str, team: Team = None, limit: int = 1) -> list[str]:
        """Items that this person may still label, in order; `team`: only those of these queues."""
        rows = await self._connection.rows(
            "review_open", kind=kind, author=author, team=team_text(team), limit=limit
        )
        return [row["item_id"] for row in rows]

    async def done(self, kind: Kind, author: str) -> tuple[int, str | None]:
        """How many windows this person has labelled, and the last of them."""
        counted = await self._connection.row("review_done", kind=kind, author=author)
        last = await self._connection.row("review_last", kind=kind, author=author)
        return (counted["number"] if counted else 0, last["item_id"] if last else None)

    async def item(self, item_id: str, team: Team = None) -> ItemRow | None:
        """A window; None if there is none or, indistinguishably, if it is in none of the team's queues."""
        row = await self._connection.row("review_item", item_id=item_id, team=team_text(team))
        return None if row is None else ItemRow(**dict(row))

    async def labels(self, item_id: str) -> dict[str, str]:
        """People's labels of a window, by person."""
        rows = await self._connection.rows("review_labels", item_id=item_id)
        return {row["author"]: row["label"] for row in rows}

    async def label(self, item_id: str, author: str, label: str, by: Actor) -> None:
        """Store a person's label of a window; a later one by the same person replaces the earlier one.

        Raises:
            NotFoundError: there is no such window (any more).
            InputError: others have labelled it already.
        """
        async with self._connection.transaction() as c:
            if await self._sql.is_review_item(c, item_id=item_id) is None:
                raise NotFoundError("no such window: it may have been erased")
            known = {row["author"]: row["label"] async for row in self._sql.review_labels(c, item_id=item_id)}
            if author not in known and len(known) >= MOST_PEOPLE:
                raise InputError("two people have labelled this window already")
            await self._sql.put_review_label(c, item_id=item_id, author=author, label=label, at=self._now())
            before = {"label": known[author]} if author in known else None
            await self._audit.note(c, by, "review.labelled", item_id, before, {"label": label})

    # What follows from them.

    async def sizes(self) -> dict[int, RoundSize]:
        """How many windows each round was drawn from."""
        rows = await self._connection.view_rows("review_sizes")
        return {row["round_id"]: RoundSize(row["sure"], row["doubtful"]) for row in rows}

    async def labelled(self, kind: Kind, since: float, limit: int = MOST_LABELLED) -> list[LabelledWindow]:
        """Labelled windows of rounds drawn since a time, with the model's answers."""
        rows = await self._connection.view_rows(f"review_labelled_{kind}", since=since, limit=limit)
        return [_voice(row) if kind == "voice" else _text(row) for row in rows]

    # Trainings.

    async def begin_training(self, kind: Kind, runner: Runner, deadline_s: float, by: Actor) -> int:
        """Note a training that begins; returns its number.

        Raises:
            InputError: another one is running.
        """
        now = self._now()
        async with self._connection.transaction() as c:
            running = await self._sql.running_training(c, at=now)
            if running is not None:
                raise InputError(f"training {running} runs already: one at a time")
            training_id: int = await self._sql.add_training(
                c, kind=kind, runner=runner, author=by.name, at=now, deadline_at=now + deadline_s
            )
            await self._audit.note(c, by, "review.training_begun", str(training_id), None, {"kind": kind})
        return training_id

    async def end_training(
        self, training_id: int, state: TrainingState, outcome: Mapping[str, Any] | None, log: str, by: Actor
    ) -> None:
        """Note how it ended."""
        text = None if outcome is None else msgspec.json.encode(outcome).decode()
        async with self._connection.transaction() as c:
            await self._sql.end_training(
                c, training_id=training_id, state=state, ended_at=self._now(), outcome=text, log=log
            )
            await self._audit.note(c, by, "review.training_ended", str(training_id), None, {"state": state})

    async def lose_trainings(self) -> None:
        """Trainings of an earlier life of the service are over."""
        async with self._connection.transaction() as c:
            await self._sql.lose_trainings(c, at=self._now())

    async def trainings(self) -> list[TrainingRow]:
        """Trainings, the newest first."""
        rows = await self._connection.rows("trainings", limit=TRAININGS)
        return [TrainingRow(**dict(row)) for row in rows]


def _key(row: Row) -> Key:
    return row["key"], row["t0"], row["t1"]


def _voice(row: Row) -> LabelledWindow:
    scores = Scores((row["angry"], row["neutral"], row["disappointed"], row["happy"]), row["threshold"])
    return LabelledWindow(
        _labelled(row, row["model"], scores.emotion, scores.probabilities), *_key(row), None
    )


def _text(row: Row) -> LabelledWindow:
    decision = msgspec.json.decode(row["body"], type=Decision)
    found = decision.probabilities or {}
    a, n, d, h = (found.get(str(label), 0.0) for label in LABELS)
    # A decision does not say which version answered.
    return LabelledWindow(_labelled(row, "", decision.emotion, (a, n, d, h)), *_key(row), row["text"])


def _labelled(row: Row, model: str, answer: str, p: tuple[float, float, float, float]) -> Labelled:
    labels = [said.split(_WITHIN) for said in row["labels"].split(_BETWEEN)]
    facts = tuple((author, label) for author, label in labels)
    return Labelled(row["round_id"], bool(row["doubtful"]), row["caller"], row["at"], model, answer, p, facts)
