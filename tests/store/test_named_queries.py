"""Every query is one text that both databases take; what no rule translates is written for each."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import asyncpg
import pytest
from databases import Databases

from emocx_pbx.store.migrate import MIGRATIONS, migrations, statements
from emocx_pbx.store.migrate_postgres import OWN, script_of, scripts, translated
from emocx_pbx.store.sql import Dialect, for_postgresql, queries


@pytest.fixture(scope="module")
def sqlite() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        for migration in migrations():
            for statement in statements(migration.path.read_text(encoding="utf-8")):
                connection.execute(statement)
        yield connection


@pytest.fixture(scope="module")
def url(databases: Databases) -> Iterator[str]:
    with databases.one() as url:
        yield url


def test_both_have_the_same_queries_of_the_same_kinds() -> None:
    def shapes(dialect: Dialect) -> dict[str, tuple[str, set[str]]]:
        return {
            name: (query.kind, {parameter.rstrip("?") for parameter in query.parameters})
            for name, query in queries(dialect).items()
        }

    assert shapes("sqlite") == shapes("postgresql")


def test_sqlite_takes_every_query(sqlite: sqlite3.Connection) -> None:
    for query in queries("sqlite").values():
        sqlite.execute(f"EXPLAIN {query.text}", dict.fromkeys(query.parameters))


async def test_postgresql_takes_every_query(url: str) -> None:
    connection = await asyncpg.connect(url)
    refused = {}
    for query in queries("postgresql").values():
        try:
            await connection.prepare(query.text)
        except asyncpg.PostgresError as error:
            refused[query.name] = str(error)
    await connection.close()
    assert not refused, "say it so that both take it; see emocx_pbx/store/sql.py"


async def test_both_databases_have_the_same_tables_and_columns(sqlite: sqlite3.Connection, url: str) -> None:
    there = {
        table: {row[1] for row in sqlite.execute(f'PRAGMA table_info("{table}")')}
        for (table,) in sqlite.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
    }
    connection = await asyncpg.connect(url)
    found: dict[str, set[str]] = {}
    for table, column in await connection.fetch(
        "SELECT c.table_name, c.column_name FROM information_schema.columns c"
        " JOIN information_schema.tables t USING (table_schema, table_name)"
        " WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    ):
        found.setdefault(table, set()).add(column)
    wide = await connection.fetch(
        "SELECT table_name, column_name FROM information_schema.columns"
        " WHERE table_schema = 'public' AND data_type IN ('real', 'integer')"
    )
    await connection.close()
    assert {t: c for t, c in found.items() if t not in ("emocx_schema", "audit_newest", "lease")} == there
    assert not wide, "REAL has 4 bytes there, INTEGER too"


def test_migrations_after_the_first_are_shared_but_where_they_say_otherwise() -> None:
    numbers = [migration.number for migration in scripts()]
    assert numbers == list(range(18, len(migrations()) + 1))
    own = {path.name for path in OWN.glob("*.sql")} - {"0018_first.sql"}
    assert own <= {migration.path.name for migration in migrations()}
    assert all(script_of(migration).strip() for migration in scripts(MIGRATIONS))


@pytest.mark.parametrize(
    ("text", "there", "parameters"),
    [
        ("SELECT :a, :b, :a", "SELECT $1, $2, $1", ("a", "b")),
        ("WHERE (:a IS NULL OR a = :a)", "WHERE ($1 OR a = $2)", ("a?", "a")),
        ("WHERE :a IS NOT NULL AND a = :a", "WHERE NOT $1 AND a = $2", ("a?", "a")),
        ("SELECT ':a', x::text -- :a, 'tis\n", "SELECT ':a', x::text \n", ()),
        ("SELECT MAX(a), MAX(b, MIN(c, :d))", "SELECT MAX(a), GREATEST(b, LEAST(c, $1))", ("d",)),
        ("CAST((a - :b) / 2 AS INTEGER)", "CAST(trunc(CAST((a - $1) / 2 AS float8)) AS bigint)", ("b",)),
        ("CAST(a AS TEXT)", "CAST(a AS TEXT)", ()),
        ("FROM call INDEXED BY call_list WHERE", "FROM call WHERE", ()),
        ("SELECT a FROM (SELECT 1 AS a) WHERE a", "SELECT a FROM (SELECT 1 AS a) sub_1 WHERE a", ()),
        ("SELECT a FROM (SELECT 1 AS a) x", "SELECT a FROM (SELECT 1 AS a) x", ()),
        ("group_concat(a, char(31))", "string_agg(a, chr(31))", ()),
        ("json_extract(d.body, '$.x')", "(CAST(d.body AS json) ->> 'x')", ()),
        (
            "IN (SELECT value FROM json_each(:team))",
            "IN (SELECT value FROM jsonb_array_elements_text(CAST($1 AS jsonb)))",
            ("team",),
        ),
    ],
)
def test_what_sqlite_says_in_postgresqls_words(text: str, there: str, parameters: Any) -> None:
    assert for_postgresql(text) == (there, parameters)


def test_a_migration_in_postgresqls_words() -> None:
    script = """
    -- A comment of REAL users.
    CREATE TABLE a (id INTEGER PRIMARY KEY, n INTEGER, x REAL, b BLOB, who INTEGER REFERENCES user (user_id)
    ) WITHOUT ROWID;
    """
    assert " ".join(translated(script).split()) == (
        "CREATE TABLE a (id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, n BIGINT,"
        ' x DOUBLE PRECISION, b BYTEA, who BIGINT REFERENCES "user" (user_id) );'
    )
