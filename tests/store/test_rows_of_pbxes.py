"""Records of several PBXes: queues called alike, lists of one, and what was there before names were."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from emocx_pbx.domain import Grade, Segment
from emocx_pbx.routing.penalties import Kept
from emocx_pbx.store import migrate
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import CallFilter, GradeFilter
from emocx_pbx.store.migrate import MIGRATIONS

GRADE = Grade(70.0, "C", 60.0, 80.0, 20.0, (), "v1", {})


async def test_penalties_of_queues_that_are_called_alike_are_kept_apart(place: Path | str) -> None:
    store = await Store.open(place, [])
    here, there = (Kept("care", "PJSIP/ann", 0, applied) for applied in (1, 2))
    await store.ranking.keep_penalties([here], pbx="berlin")
    await store.ranking.keep_penalties([there], pbx="vienna")
    assert await store.ranking.kept_penalties("berlin") == {here.key: here}
    assert await store.ranking.kept_penalties() == {}
    await store.ranking.keep_penalties([], [there.key], pbx="vienna")
    assert await store.ranking.kept_penalties("berlin") == {here.key: here}
    await store.close()


async def test_lists_are_of_one_pbx_or_of_all(place: Path | str) -> None:
    store = await Store.open(place, [])
    ids = ["berlin/1.1", "vienna/1.1", "1.1"]
    for at, call_id in enumerate(ids, 100):
        await store.calls.start(call_id, float(at), None, None, "care", None)
        await store.calls.save_segment(
            Segment(call_id, 0, "ann", "PJSIP/ann", "care", "queue", at + 1.0, at + 9.0, "agent_hung_up")
        )
        await store.grades.save(call_id, 0, GRADE, ())
    assert {c.call_id: c.pbx for c in await store.lists.calls(CallFilter())} == dict(
        zip(ids, ("berlin", "vienna", ""), strict=True)
    )
    for pbx, call_id in zip(("berlin", "vienna", ""), ids, strict=True):
        assert [c.call_id for c in await store.lists.calls(CallFilter(pbx=pbx))] == [call_id]
        assert [c.call_id for c in await store.lists.calls(CallFilter(pbx=pbx), own="ann")] == [call_id]
        assert [(g.call_id, g.pbx) for g in await store.lists.grades(GradeFilter(pbx=pbx))] == [
            (call_id, pbx)
        ]
        found = await store.lists.call(call_id)
        assert found is not None and found.pbx == pbx
    await store.close()


async def test_what_was_there_before_is_of_the_pbx_without_a_name(tmp_path: Path) -> None:
    path = tmp_path / "emocx.db"
    connection = sqlite3.connect(path)
    for migration in migrate.migrations(MIGRATIONS):
        if migration.number < 25:
            connection.executescript(migration.path.read_text(encoding="utf-8"))
    connection.execute("PRAGMA user_version = 24")
    connection.execute("INSERT INTO penalty VALUES ('care', 'PJSIP/ann', 3, 0, NULL)")
    connection.execute("INSERT INTO call (call_id, started_at, last_seen_at) VALUES ('1.1', 1, 1)")
    connection.commit()
    connection.close()
    store = await Store.open(path, [])
    assert await store.ranking.kept_penalties() == {("care", "PJSIP/ann"): Kept("care", "PJSIP/ann", 3, 0)}
    assert [c.pbx for c in await store.lists.calls(CallFilter(pbx=""))] == [""]
    await store.close()
