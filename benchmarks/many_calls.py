"""Fills a database with many calls as a call centre makes them: for the benchmark of pages.

Sixty agents of differing skill, six queues, customers of four emotions; a share of callers gives up,
some calls are transferred, some grades disputed, some deliveries failed. Everything from one seed.
"""

from __future__ import annotations

import math
import random
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import msgspec

from emocx_pbx.domain import LABELS, Contribution, Decision, Grade
from emocx_pbx.events.event import NewEvent, iso
from emocx_pbx.store.sql import queries

DAY_S: Final = 86_400.0
QUEUES: Final = ("care", "support", "retention", "sales", "billing", "technical")
AGENTS: Final = tuple(f"Agent {number:02d}" for number in range(60))
TOPICS: Final = ("billing", "delivery", "contract", None)
RECEIVERS: Final = ("crm", "warehouse")
#: By the hour of the day, as offices are called.
BUSY: Final = (0, 0, 0, 0, 0, 0, 1, 3, 8, 12, 13, 11, 8, 9, 11, 12, 10, 7, 4, 2, 1, 1, 0, 0)

#: So many calls are made; more are these once more, at other times, and without what is read by its key or
#: newest first alone, so that its number does not matter (readings, utterances, grades, events, deliveries).
MADE: Final = 100_000
REPEATED: Final = ("decision", "segment", "visit", "call")
#: Columns that hold names of calls and decisions.
NAMED: Final = frozenset({"call_id", "decision_id"})

Rows = dict[str, list[dict[str, Any]]]


def fill(path: Path, calls: int, days: float, now: float, seed: int = 1) -> None:
    """Put calls of the last `days` days into a database that a Store has opened once.

    Args:
        path: the SQLite file.
        calls: how many.
        days: over how many days they are spread, by the hours of BUSY.
        now: Unix seconds; the newest call ends before.
        seed: of all chance.
    """
    whole, calls = calls, min(calls, MADE)
    chance = random.Random(seed)
    refresh = [queries("sqlite")[name].text for name in ("refresh_call", "refresh_segments")]
    starts = sorted(_start(chance, now, days) for _ in range(calls))
    skills = {agent: chance.gauss(0.0, 0.12) for agent in AGENTS}
    with closing(sqlite3.connect(path)) as connection:
        for pragma in ("synchronous=OFF", "cache_size=-200000", "secure_delete=OFF"):
            connection.execute(f"PRAGMA {pragma}")
        for begin in range(0, calls, 2000):
            rows: Rows = {}
            for number in range(begin, min(begin + 2000, calls)):
                _call(rows, chance, number, starts[number], skills)
            for table, found in rows.items():
                _insert(connection, table, found)
            for call in rows["call"]:
                for statement in refresh:
                    connection.execute(statement, {"call_id": call["call_id"]})
            connection.commit()
        for copy in range(1, math.ceil(whole / calls)):
            _repeat(connection, copy, min(calls, whole - copy * calls))
        connection.execute("ANALYZE")


def _repeat(connection: sqlite3.Connection, copy: int, calls: int) -> None:
    """Put the first calls in once more, some minutes later, under names of their own."""
    for table in REPEATED:
        columns = [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]
        values = [
            f"{name} || '.{copy}'" if name in NAMED
            else f"{name} + {97.0 * copy}" if name == "at" or name.endswith("_at")
            else name
            for name in columns
        ]  # fmt: skip
        connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} FROM {table}"
            f" WHERE call_id IN (SELECT call_id FROM call WHERE call_id NOT LIKE '%.%.%' LIMIT {calls})"
        )
        connection.commit()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterable[dict[str, Any]]) -> None:
    found = list(rows)
    columns = list(found[0])
    words = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(':' + c for c in columns)})"
    connection.executemany(words, found)


def _start(chance: random.Random, now: float, days: float) -> float:
    while True:
        at = now - 3600 - chance.random() * days * DAY_S
        if chance.random() * max(BUSY) < BUSY[int(at % DAY_S // 3600)]:
            return at


def _call(rows: Rows, chance: random.Random, number: int, at: float, skills: dict[str, float]) -> None:
    call_id, decision_id = f"{at:.0f}.{number}", f"dec_{number:032x}"
    customer = f"crm-{chance.randrange(40_000)}" if chance.random() < 0.8 else None
    queue, topic = chance.choice(QUEUES), chance.choice(TOPICS)
    signals = ("angry", "neutral", "disappointed", "happy", "uncertain")
    (arrived,) = chance.choices(signals, (15, 45, 20, 8, 12))
    status = chance.choices(("ok", "default", "holdout"), (60, 30, 10))[0]
    probabilities = _scores(chance, {"angry": -1.0, "disappointed": -0.6, "happy": 0.9}.get(arrived, 0.0))
    decision = Decision(
        decision_id,
        at,
        status,
        queue,
        arrived,
        max(probabilities),
        dict(zip(map(str, LABELS), probabilities, strict=True)),
        topic,
        5,
        rule=arrived,
        reasons=(f"signals in the text are {arrived}", f'rule "{arrived}" fired: queue {queue}'),
    )
    body = msgspec.json.encode(decision).decode()
    _add(
        rows,
        "decision",
        decision_id=decision_id,
        call_id=call_id,
        at=at,
        customer_key=customer,
        text=None,
        body=body,
        status=status,
        queue=queue,
        emotion=arrived,
        topic=topic,
        rule=arrived,
    )
    queued_at = at + 1.0
    wait_s = chance.expovariate(1 / 35)
    gave_up = chance.random() < 0.08
    level = {"angry": -0.8, "disappointed": -0.5, "happy": 0.6}.get(arrived, 0.0)
    end, parts = queued_at + wait_s, 0 if gave_up else 2 if chance.random() < 0.06 else 1
    tapped_at = end if parts else None
    events = [("query.routed", at, body), ("call.started", queued_at, body[:300])]
    for index in range(parts):
        agent = chance.choice(AGENTS)
        began, end = end, end + 30 + chance.expovariate(1 / 240)
        level = _part(
            rows, chance, call_id, index, agent, queue, began, end, tapped_at or began, level, skills, events
        )
    if chance.random() < 0.05 and parts:
        events.insert(-1, ("call.alert", end - 5, '{"rule":"angry_long"}'))
    reason = "abandoned" if gave_up else "hangup"
    events.append(("call.ended", end, body[:400]))
    _add(
        rows,
        "call",
        call_id=call_id,
        started_at=at,
        ended_at=end,
        end_reason=reason,
        customer_key=customer,
        caller=f"+4930{chance.randrange(10**7):07d}",
        queue=queue,
        decision_id=decision_id,
        tapped_at=tapped_at,
        last_seen_at=end,
        queued_at=queued_at,
        alerts=sum(kind == "call.alert" for kind, _, _ in events),
    )
    left = (end, "abandoned") if gave_up else (queued_at + wait_s, "answered")
    _add(
        rows, "visit", call_id=call_id, number=0, queue=queue, entered_at=queued_at, left_at=left[0],
        left_why=left[1],
    )  # fmt: skip
    _events(rows, chance, call_id, events)


def _part(
    rows: Rows,
    chance: random.Random,
    call_id: str,
    index: int,
    agent: str,
    queue: str,
    began: float,
    ended: float,
    tapped_at: float,
    level: float,
    skills: dict[str, float],
    events: list[tuple[str, float, str]],
) -> float:
    """One agent's part; the customer's level at its end."""
    levels: list[float] = []
    t = began - tapped_at
    while t < ended - tapped_at - 4:
        level = max(-1.0, min(1.0, level * 0.97 + skills[agent] * 0.2 + chance.gauss(0.01, 0.12)))
        levels.append(level)
        a, n, d, h = _scores(chance, level)
        speech = 2.0 + 2 * chance.random()
        _add(
            rows,
            "reading",
            call_id=call_id,
            t0=round(t, 2),
            t1=round(t + 4, 2),
            speech_s=speech,
            angry=a,
            neutral=n,
            disappointed=d,
            happy=h,
            threshold=0.42,
            model="voice/1",
        )
        _add(rows, "span", call_id=call_id, side="customer", t0=round(t, 2), t1=round(t + speech, 2))
        _add(rows, "span", call_id=call_id, side="agent", t0=round(t + 4.2, 2), t1=round(t + 8, 2))
        t += 8 + 8 * chance.random()
    score = letter = low = high = None
    lines: tuple[Contribution, ...] = ()
    if len(levels) >= 3:
        score = round(
            max(0.0, min(100.0, 55 + 35 * sum(levels) / len(levels) + 20 * (levels[-1] - levels[0]))), 2
        )
        low, high = max(0.0, score - 9), min(100.0, score + 9)
        letter = next(x for x, least in zip("ABCDE", (80, 65, 50, 35, 0), strict=True) if score >= least)
        lines = tuple(
            Contribution(
                name,
                round(score / 5, 2),
                "In the last 30 s of speech there were neutral signals.",
                tuple(range(min(len(levels), 12))),
            )
            for name in ("base", "mean", "end", "recoveries", "start")
        )
    grade = Grade(
        score, letter, low, high, 3.0 * len(levels), lines, facts={"agent_talk_share": 0.52, "hold_s": 0.0}
    )
    kind = "dispute" if chance.random() < 0.01 else "automatic"
    body = msgspec.json.encode(grade).decode()
    _add(
        rows,
        "segment",
        call_id=call_id,
        number=index,
        agent=agent,
        interface=f"PJSIP/{agent[-2:]}",
        queue=queue,
        via="transfer" if index else "queue",
        started_at=began,
        ended_at=ended,
        end_reason="agent_left",
        score=score,
        letter=letter,
        low=low,
        high=high,
        evidence_s=grade.evidence_s,
        revision=0,
        grade_kind=kind,
        graded_at=ended + 3,
    )
    _add(
        rows,
        "grade",
        call_id=call_id,
        number=index,
        revision=0,
        kind=kind,
        at=ended + 3,
        author="emocx-pbx",
        reason="",
        score=score,
        letter=letter,
        rubric="v1",
        body=body,
    )
    events.append(("call.graded", ended + 3, body))
    return level


def _events(rows: Rows, chance: random.Random, call_id: str, events: list[tuple[str, float, str]]) -> None:
    for sequence, (kind, at, data) in enumerate(events, start=1):
        event_id = NewEvent(kind, call_id, {}, at, str(sequence)).event_id
        body = f'{{"type":"{kind}","timestamp":"{iso(at)}","data":{data}}}'
        _add(
            rows,
            "event",
            event_id=event_id,
            stream=call_id,
            call_id=call_id,
            type=kind,
            sequence=sequence,
            at=at,
            body=body,
        )
        for receiver in RECEIVERS:
            state = "failed" if chance.random() < 0.002 else "delivered"
            delivered = state == "delivered"
            _add(
                rows,
                "delivery",
                event_id=event_id,
                receiver=receiver,
                type=kind,
                stream=call_id,
                sequence=sequence,
                state=state,
                attempts=1 if delivered else 12,
                next_at=at,
                last_at=at + 1,
                last_status=204 if delivered else 500,
                last_error=None if delivered else "500 Internal Server Error",
                delivered_at=at + 1 if delivered else None,
            )


def _scores(chance: random.Random, level: float) -> tuple[float, float, float, float]:
    weights = [
        math.exp(2.5 * -level + chance.gauss(0, 0.5)),
        math.exp(1.5 * (1 - abs(level)) + chance.gauss(0, 0.5)),
        math.exp(2.0 * -level - 0.3 + chance.gauss(0, 0.5)),
        math.exp(2.5 * level + chance.gauss(0, 0.5)),
    ]
    total = sum(weights)
    a, n, d, h = (round(w / total, 4) for w in weights)
    return a, n, d, h


def _add(rows: Rows, table: str, **values: Any) -> None:
    rows.setdefault(table, []).append(values)
