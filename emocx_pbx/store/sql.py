"""The store's named queries: one text in queries/*.sql for both databases, translated for PostgreSQL.

SQLite takes a text as it is. For PostgreSQL, `for_postgresql` translates what is written differently there,
by the rules beside it; what no rule can translate is written twice, as `-- name: … on sqlite` and `on
postgresql`. A test prepares every text on both.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, Protocol

from emocx_pbx.errors import StoreError

QUERIES: Final = Path(__file__).parent / "queries"

Dialect = Literal["sqlite", "postgresql"]

_NAME = re.compile(
    r"-- name: (?P<name>\w+)(?:\((?P<parameters>[\w, ]*)\))?(?P<kind>\*!|<!|[!^$])?"
    r"(?: on (?P<dialect>sqlite|postgresql))?"
)
#: Parts of a query that are not words: strings, quoted names, comments, casts; and the parameters.
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|--[^\n]*|::|:(?P<parameter>[a-z_]\w*)|\$\d+")


class Row(Protocol):
    """One row, by name and by place; `dict(row)` and `tuple(row)` work."""

    def __getitem__(self, key: Any, /) -> Any: ...
    def keys(self) -> Any:
        """Names of the columns."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Any: ...


@dataclass(frozen=True, slots=True)
class Query:
    """One named query in a database's dialect."""

    name: str
    kind: str
    """`!` changes rows and gives their number, `*!` does so with many sets of parameters, `^` gives a row or
    None, `$` and `<!` the first value of a row; empty: all rows."""
    text: str
    parameters: tuple[str, ...]
    """Names of the parameters in order ($1, $2, ...); `name?` stands for whether `name` is NULL."""


class Session(Protocol):
    """A transaction as queries run in it."""

    async def fetch(self, query: Query, values: Mapping[str, Any]) -> Sequence[Row]:
        """All rows."""

    async def change(self, query: Query, values: Mapping[str, Any]) -> int:
        """Run a statement that changes rows; returns how many."""

    async def change_many(self, query: Query, rows: Sequence[Mapping[str, Any]]) -> None:
        """The same with many sets of parameters."""

    async def hold(self, *streams: str) -> None:
        """Keep other transactions from writing about these calls (or other streams) until this one is
        over.
        """

    async def execute(self, text: str) -> None:
        """Run SQL that is not a named query."""


class NamedQueries:
    """The named queries as methods: `await sql.touch_call(session, call_id=..., at=...)`."""

    def __init__(self, dialect: Dialect) -> None:
        self._queries = queries(dialect)

    def named(self, name: str) -> Query:
        """A query by its name."""
        return self._queries[name]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        try:
            query = self._queries[name]
        except KeyError:
            raise AttributeError(f"there is no query {name}") from None
        return _RUN[query.kind](query)


@cache
def queries(dialect: Dialect) -> Mapping[str, Query]:
    """All queries of the package in a database's dialect, by name."""
    found: dict[str, Query] = {}
    for path in sorted(QUERIES.glob("*.sql")):
        for query, only in _read(path.read_text(encoding="utf-8"), path.name, dialect):
            if only in (None, dialect):
                if query.name in found:
                    raise StoreError(f"{path.name}: there are two queries {query.name}")
                found[query.name] = query
    return found


def _read(script: str, file: str, dialect: Dialect) -> list[tuple[Query, str | None]]:
    found = []
    head, *parts = re.split(r"^(?=-- name: )", script, flags=re.MULTILINE)
    if head.strip():
        raise StoreError(f"{file}: begins with something that is not a query")
    for part in parts:
        line, _, text = part.partition("\n")
        match = _NAME.fullmatch(line.strip())
        if match is None:
            raise StoreError(f"{file}: {line.strip()!r} is not a query name")
        text = text.strip().removesuffix(";")
        used = {t["parameter"] for t in _TOKEN.finditer(text) if t["parameter"]}
        declared = set(re.findall(r"\w+", match["parameters"])) if match["parameters"] is not None else used
        if declared != used:
            raise StoreError(f"{file}: {match['name']} declares {sorted(declared)} and uses {sorted(used)}")
        text, parameters = for_postgresql(text) if dialect == "postgresql" else (text, tuple(sorted(used)))
        found.append((Query(match["name"], match["kind"] or "", text, parameters), match["dialect"]))
    return found


def clean(value: Any) -> Any:
    """A value as PostgreSQL takes it: its texts can't hold the character NUL."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) and "\x00" in value else value


# Translation from SQLite to PostgreSQL.

#: The same thing by another name; what only PostgreSQL needs is a comment to SQLite.
_WORDS: Final = (
    (re.compile(r"--\+postgresql "), ""),
    (re.compile(r"\s+INDEXED BY \w+"), ""),
    # The time for several hosts: the server's own clock, unless a time is given.
    (re.compile(r":clock\b"), "COALESCE(:clock, CAST(extract(epoch FROM statement_timestamp()) AS float8))"),
    (re.compile(r"\bchar\((\d+)\)"), r"chr(\1)"),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"\bgroup_concat\("), "string_agg("),
    (re.compile(r"\bjson_array\("), "json_build_array("),
    (re.compile(r"\bjson_extract\(([\w.]+), '\$\.(\w+)'\)"), r"(CAST(\1 AS json) ->> '\2')"),
    (re.compile(r"\bjson_each\((:\w+)\)"), r"jsonb_array_elements_text(CAST(\1 AS jsonb))"),
)
_GIVEN = re.compile(r":(\w+) IS (NOT )?NULL\b")
_CALL = re.compile(r"\b(MAX|MIN|CAST)\(")
_OF_SEVERAL: Final = {"MAX": "GREATEST", "MIN": "LEAST"}
_SUBQUERY = re.compile(r"\b(?:FROM|JOIN)\s+\((?=\s*SELECT\b)")
#: What may follow a subquery without an alias.
_NAMELESS = re.compile(r"\s*(?:$|[;),]|(?:JOIN|LEFT|CROSS|WHERE|GROUP|ORDER|LIMIT|UNION|ON|USING)\b)")


def for_postgresql(text: str) -> tuple[str, tuple[str, ...]]:
    """A query's text with $1, $2, ..., and the parameters that they stand for.

    Whether a parameter is NULL is a parameter of its own, of type boolean: `$1 IS NULL` alone leaves the type
    unknown. MAX of several values is GREATEST; a CAST to INTEGER cuts off, as SQLite's does; subqueries
    without a name get one.
    """
    text = in_words_of_postgresql(text)
    places: dict[str, int] = {}

    def place(name: str) -> str:
        return f"${places.setdefault(name, len(places) + 1)}"

    def given(match: re.Match[str]) -> str:
        return f"NOT {place(match[1] + '?')}" if match[2] else place(match[1] + "?")

    text = _GIVEN.sub(given, text)

    def token(match: re.Match[str]) -> str:
        if match[0].startswith("--"):
            return ""
        return place(match["parameter"]) if match["parameter"] else match[0]

    return _TOKEN.sub(token, text), tuple(places)


def in_words_of_postgresql(text: str) -> str:
    """SQL in PostgreSQL's dialect; parameters stay as they are."""
    for pattern, other in _WORDS:
        text = pattern.sub(other, text)
    return _named(_calls(text))


def _calls(text: str) -> str:
    done = 0
    while match := _CALL.search(text, done):
        end, commas = _closing(text, match.end())
        inner = _calls(text[match.end() : end])
        name = match[1]
        if name == "CAST":
            cut = inner.removesuffix(" AS INTEGER")
            whole = f"CAST({inner})" if cut == inner else f"CAST(trunc(CAST({cut} AS float8)) AS bigint)"
        else:
            whole = f"{_OF_SEVERAL[name] if commas else name}({inner})"
        text = text[: match.start()] + whole + text[end + 1 :]
        done = match.start() + len(whole)
    return text


def _named(text: str) -> str:
    """Give every subquery in FROM an alias."""
    number, done = 0, 0
    while match := _SUBQUERY.search(text, done):
        end, _ = _closing(text, match.end())
        if _NAMELESS.match(text, end + 1):
            number += 1
            text = f"{text[: end + 1]} sub_{number}{text[end + 1 :]}"
        done = match.end()
    return text


def _closing(text: str, start: int) -> tuple[int, int]:
    """Position where the parenthesis opened at `start` closes, and those of its own commas."""
    depth, commas = 1, 0
    for index in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[index], 0)
        commas += text[index] == "," and depth == 1
        if depth == 0:
            return index, commas
    raise StoreError(f"a parenthesis is never closed: {text[start:][:40]!r}")


# What a query's kind does.


def _changes(query: Query) -> Callable[..., Any]:
    async def run(session: Session, **values: Any) -> int:
        return await session.change(query, values)

    return run


def _changes_many(query: Query) -> Callable[..., Any]:
    async def run(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
        await session.change_many(query, rows)

    return run


def _one(query: Query) -> Callable[..., Any]:
    async def run(session: Session, **values: Any) -> Row | None:
        rows = await session.fetch(query, values)
        return rows[0] if rows else None

    return run


def _value(query: Query) -> Callable[..., Any]:
    async def run(session: Session, **values: Any) -> Any:
        rows = await session.fetch(query, values)
        return rows[0][0] if rows else None

    return run


def _rows(query: Query) -> Callable[..., Any]:
    async def run(session: Session, **values: Any) -> AsyncIterator[Row]:
        for row in await session.fetch(query, values):
            yield row

    return run


_RUN: Final[Mapping[str, Callable[[Query], Callable[..., Any]]]] = {
    "!": _changes,
    "*!": _changes_many,
    "^": _one,
    "$": _value,
    "<!": _value,
    "": _rows,
}
