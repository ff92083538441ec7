"""What waits on disk while a shared database is away: found by the next life, written once, or put aside."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from databases import ON_POSTGRESQL

from emocx_pbx.calls.effects import (
    LearnLines,
    Write,
    WriteEnd,
    WriteHold,
    WriteReadings,
    WriteSpans,
    WriteStart,
)
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.spool import Spool, Spooled
from emocx_pbx.calls.spooling import Spooling, write_what_an_earlier_life_kept
from emocx_pbx.calls.writing import Writing
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.emotion.levels import NO_COUNTS
from emocx_pbx.emotion.lines import LineCaller
from emocx_pbx.emotion.zero import caller_sums
from emocx_pbx.errors import LeaseLost, StoreUnavailable
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.store.fence import Term

TERM = Term("north", 1)
CALL = "north/1.1"
READING = Reading(0.0, 3.0, 2.0, Scores((0.7, 0.1, 0.1, 0.1), 0.5), "voice/6")


def events_of(type: str, at: float, **data: object) -> tuple[NewEvent, ...]:
    return (NewEvent(type, CALL, data, at),)


JOURNEY: Sequence[Write] = (
    WriteStart(CALL, 1.0, "crm-1", "+4930", events=events_of("call.started", 1.0, customer_key="crm-1")),
    WriteReadings(CALL, (READING,), 2.0),
    WriteSpans(CALL, (Span("customer", 0.0, 3.0),)),
    WriteHold(CALL, 3.0, True),
    WriteHold(CALL, 4.0, False),
    WriteEnd(
        CALL, 9.0, "hangup", "answered", "customer", None, events_of("call.ended", 9.0, reason="hangup")
    ),
)


def kept(path: Path, most: int = 100_000) -> Spool:
    spool = Spool(path, most)
    assert spool.keep([Spooled(write, TERM) for write in JOURNEY])
    spool.close()
    return spool


def test_what_is_kept_is_read_as_it_was_and_a_torn_end_is_cut_off(tmp_path: Path) -> None:
    spool = kept(tmp_path / "spool")
    whole = list(spool.read())
    assert whole == [Spooled(write, TERM) for write in JOURNEY]
    assert spool.path.stat().st_mode & 0o077 == 0, "customers are named in it"
    body = spool.path.read_bytes()
    for torn in (body[:-1], body[:-40], body + b"\x00", body + b"\xff" * 30, body[:-3] + b"!!!"):
        spool.path.write_bytes(torn)
        sound = list(spool.read())
        assert sound == whole[: len(sound)] and len(sound) >= len(whole) - 1
        again = Spool(spool.path, 100_000)
        assert again.keep([Spooled(JOURNEY[0], None)])
        again.close()
        assert list(again.read()) == [*sound, Spooled(JOURNEY[0], None)], (
            "what comes next is not lost with it"
        )


def test_nothing_of_one_voice_is_kept(tmp_path: Path) -> None:
    caller = LineCaller(caller_sums([(0.7, 0.1, 0.1, 0.1)]), NO_COUNTS, (0.5, -0.5))
    learn = LearnLines(CALL, "voice/7", ("all",), caller, 9.0)
    spool = Spool(tmp_path / "spool", 100_000)
    assert spool.keep([Spooled(learn, TERM)])
    spool.close()
    assert list(spool.read()) == [Spooled(replace(learn, caller=replace(caller, place=())), TERM)]


def test_a_full_one_takes_no_more_and_says_so_and_a_strange_file_is_left_alone(tmp_path: Path) -> None:
    counted: list[object] = []
    spool = Spool(tmp_path / "spool", 500, lambda *what: counted.append(what))
    taken = [spool.keep([Spooled(write, TERM)]) for write in (*JOURNEY, *JOURNEY, *JOURNEY)]
    assert taken[0] and not taken[-1] and spool.path.stat().st_size <= 500
    assert counted == [("changes_unspooled",)] * taken.count(False)
    (tmp_path / "strange").write_bytes(b"somebody's own notes")
    assert not Spool(tmp_path / "strange", 500).keep([Spooled(JOURNEY[0], TERM)])
    assert (tmp_path / "strange").read_bytes() == b"somebody's own notes"


class Away:
    """A database that can't be reached for so many tries."""

    def __init__(self, writing: Writing, tries: int) -> None:
        self._writing, self.tries = writing, tries

    async def write(self, write: Write) -> None:
        self._reach()
        await self._writing.write(write)

    async def write_together(self, writes: Sequence[Write]) -> None:
        self._reach()
        await self._writing.write_together(writes)

    def _reach(self) -> None:
        if self.tries:
            self.tries -= 1
            raise StoreUnavailable("the server does not answer in time")


class InOffice:
    """Acts for north."""

    def __init__(self, term: Term) -> None:
        self.term = term

    def term_of(self, call_id: str) -> Term:
        if not call_id.startswith("north/"):
            raise LeaseLost("not ours")
        return self.term

    def refused(self, term: Term) -> None:
        pass


class End(Exception):
    """Killed."""


async def killed_while_away(store: Store, spool: Spool, term: Term) -> None:
    """A life that takes the whole journey while the database is away, and dies then."""

    async def dies(seconds: float) -> Awaitable[object]:
        raise End

    office = InOffice(term)
    writing = Writing(store, office)
    ledger = Ledger(
        Away(writing, 1), lambda up, why: None, lambda *what: None, dies,
        keeping=Spooling(spool, writing, office.term_of),
    )  # fmt: skip
    ledger.add(JOURNEY[0])
    with pytest.raises(End):
        await ledger.run()
    for write in JOURNEY[1:]:
        ledger.add(write)
    spool.close()


async def there(place: str) -> tuple[Store, Term]:
    receiver = WebhookSettings("crm", "http://127.0.0.1:1/", "whsec_" + "A" * 32)
    store = await Store.open(place, [receiver])
    term = await store.leases.take("north", "one", 0.0)
    assert term
    return store, term


async def all_of_it(store: Store) -> None:
    call = await store.call(CALL)
    assert call and call.call.ended_at == 9.0 and call.call.customer_key == "crm-1"
    assert call.readings == (READING,) and len(call.spans) == 1
    assert [(hold.started_at, hold.ended_at) for hold in call.holds] == [(3.0, 4.0)]
    assert [(event.type, event.sequence) for event in call.events] == [("call.started", 1), ("call.ended", 2)]
    assert await store.outbox.pending() == {"crm": 2}, "each once, and with what it tells of"


@ON_POSTGRESQL
async def test_a_life_that_is_killed_while_the_database_is_away_leaves_all_to_the_next(
    place: str, tmp_path: Path
) -> None:
    store, term = await there(place)
    spool = Spool(tmp_path / "spool", 100_000)
    await killed_while_away(store, spool, term)
    assert await store.call(CALL) is None and await store.outbox.pending() == {}
    body = spool.path.read_bytes()
    for _ in range(2):  # the second time as after a crash between writing and clearing
        spool.path.write_bytes(body)
        await write_what_an_earlier_life_kept(spool, Writing(store), store.leases, 3.0, store.audit)
        assert not spool and not spool.path.with_name("spool.aside").exists()
        await all_of_it(store)
    assert await store.leases.take("north", "next", 3.0) == Term("north", term.epoch + 1), "at once"
    await store.close()


@ON_POSTGRESQL
async def test_what_another_controller_has_taken_over_is_kept_aside_and_not_written_over_its_own(
    place: str, tmp_path: Path
) -> None:
    store, term = await there(place)
    spool = Spool(tmp_path / "spool", 100_000)
    await killed_while_away(store, spool, term)
    assert await store.leases.take("north", "other", 60.0)
    await write_what_an_earlier_life_kept(spool, Writing(store), store.leases, 3.0, store.audit)
    assert await store.call(CALL) is None and await store.outbox.pending() == {}
    aside = Spool(tmp_path / "spool.aside", 100_000)
    assert [one.write for one in aside.read()] == list(JOURNEY) and not spool
    await store.close()


@ON_POSTGRESQL
async def test_what_memory_has_no_room_for_is_written_from_disk_when_the_database_is_back(
    place: str, tmp_path: Path
) -> None:
    store, term = await there(place)
    assert await store.leases.renew(term, 60.0)
    office, spool = InOffice(term), Spool(tmp_path / "spool", 100_000)
    writing = Writing(store, office)
    counted: list[tuple[str, ...]] = []

    async def goes_on(seconds: float) -> None:
        for write in JOURNEY[1:]:
            ledger.add(write)

    ledger = Ledger(
        Away(writing, 1), lambda up, why: None, lambda *what: counted.append(what), goes_on, 2, 3,
        keeping=Spooling(spool, writing, office.term_of),
    )  # fmt: skip
    ledger.add(JOURNEY[0])
    await ledger.drain()
    assert len(ledger) == 0 and not spool and counted == []
    await all_of_it(store)
    await store.close()


@ON_POSTGRESQL
async def test_what_waits_for_a_pbx_that_is_lost_is_kept_aside(place: str, tmp_path: Path) -> None:
    store, term = await there(place)
    office, spool = InOffice(term), Spool(tmp_path / "spool", 100_000)
    writing = Writing(store, office)
    ledger = Ledger(
        writing, lambda up, why: None, lambda *what: None,
        keeping=Spooling(spool, writing, office.term_of),
    )  # fmt: skip
    ledger.add(JOURNEY[0])
    ledger.let_go(lambda write: True)
    aside = Spool(tmp_path / "spool.aside", 100_000)
    assert [one.write for one in aside.read()] == [JOURNEY[0]] and not spool
    await store.close()
