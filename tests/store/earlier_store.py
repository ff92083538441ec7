"""Databases as earlier versions left them: calls, grades, an event, its delivery under way, a user."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from emocx_pbx.store.migrate import migrations, statements

#: Every schema that was before today's.
EARLIER = range(1, len(migrations()))
#: Since these, lists read columns of their own, users exist, and alerts.
LISTS, ALERTS, USERS, RENAMED = 3, 4, 5, 24


def write_earlier(path: Path, version: int) -> None:
    """A database of a schema: one call from the first version on, and one made by that very version."""
    with closing(sqlite3.connect(path, isolation_level=None)) as c:
        c.execute("PRAGMA journal_mode=WAL")
        for number, migration in enumerate(migrations()[:version], 1):
            for statement in statements(migration.path.read_text(encoding="utf-8")):
                c.execute(statement)
            if number == 1:
                _call(c, "old-1", 1)
        c.execute(f"PRAGMA user_version = {version}")
        if version > 1:
            _call(c, "old-2", version)
        if version >= USERS:
            c.execute("INSERT INTO user (name, role, agent, created_at) VALUES ('kim', 'admin', NULL, 1.0)")


def _call(c: sqlite3.Connection, call_id: str, version: int) -> None:
    at = time.time() - 3600 + version
    _row(
        c,
        "call",
        call_id=call_id,
        started_at=at,
        ended_at=at + 60,
        end_reason="hangup",
        queue="support",
        customer_key=f"crm-{call_id}",
        last_seen_at=at + 60,
    )
    _row(
        c,
        "segment",
        call_id=call_id,
        number=0,
        agent="Ada",
        interface="PJSIP/ada",
        queue="support",
        via="queue",
        started_at=at,
        ended_at=at + 60,
        end_reason="hangup",
    )
    body = json.dumps({"score": 71.0, "letter": "C", "low": 60.0, "high": 80.0, "evidence_s": 20.0})
    _row(
        c,
        "grade",
        call_id=call_id,
        number=0,
        revision=0,
        kind="automatic",
        at=at + 61,
        author="emocx-pbx",
        reason="",
        score=71.0,
        letter="C",
        rubric="v1",
        body=body,
    )
    event_id = f"evt_{call_id}"
    _row(
        c, "event", event_id=event_id, stream=call_id, call_id=call_id, type="call.ended", sequence=1, at=at,
        body="{}",
    )  # fmt: skip
    receiver = "receiver" if version >= RENAMED else "endpoint"
    owed = {"event_id": event_id, receiver: "crm", "stream": call_id, "sequence": 1, "next_at": at}
    _row(c, "delivery", **owed)
    if version >= LISTS:
        c.execute(
            "UPDATE segment SET score = 71.0, letter = 'C', low = 60.0, high = 80.0, "
            "evidence_s = 20.0, revision = 0, grade_kind = 'automatic', graded_at = ? WHERE call_id = ?",
            (at + 61, call_id),
        )
        c.execute(
            "UPDATE call SET queued_at = ?, answered_at = ?, talk_s = 60.0, score = 71.0, agents = ?, "
            "letters = ? WHERE call_id = ?",
            (at, at, "\x1fAda\x1f", "\x1fC\x1f", call_id),
        )
    if version >= ALERTS:
        _row(
            c, "alert", call_id=call_id, rule="angry", t0=1.0, t1=5.0, raised_at=at + 5, number=0,
            agent="Ada", message="Signals of anger",
        )  # fmt: skip


def _row(c: sqlite3.Connection, table: str, **values: object) -> None:
    names = ", ".join(values)
    c.execute(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(values))})", [*values.values()])


def lost(path: Path, version: int) -> list[str]:
    """What of it is not there any more, or not as it was; nothing is what should be found."""
    wanted = ["old-1"] if version == 1 else ["old-1", "old-2"]
    found = []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as c:
        for call_id in wanted:
            for what, query, expected in (
                ("call", "SELECT queue, agents, letters, score FROM call",
                 ("support", "\x1fAda\x1f", "\x1fC\x1f", 71.0)),
                ("segment", "SELECT agent, end_reason, letter FROM segment", ("Ada", "hangup", "C")),
                ("grade", "SELECT score, letter FROM grade", (71.0, "C")),
                ("delivery", "SELECT state, receiver FROM delivery JOIN event USING (event_id)",
                 ("pending", "crm")),
            ):  # fmt: skip
                where = "event.call_id" if what == "delivery" else "call_id"
                rows = c.execute(f"{query} WHERE {where} = ?", (call_id,)).fetchall()
                if rows != [expected]:
                    found.append(f"{what} of {call_id}: {rows}")
        if version >= USERS and c.execute("SELECT role FROM user WHERE name = 'kim'").fetchall() != [
            ("admin",)
        ]:
            found.append("user kim")
        if c.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            found.append("integrity")
    return found
