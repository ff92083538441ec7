"""CSV as spreadsheets and people use it, in and out; pure.

Out: times with their zone, lists joined by an arrow, text that no spreadsheet runs as a formula. In: what
was written so comes back as it was, from UTF-8 or UTF-16, by comma, semicolon or tab.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any, Final

from emocx_pbx.errors import InputError

#: Told before UTF-8, or spreadsheets take it for the code page of the country.
BOM: Final = "\ufeff"
JOINED: Final = " → "
#: A spreadsheet runs a cell that begins so (OWASP: CSV injection)...
_RUNS: Final = ("=", "@", "\uff1d", "\uff20", "\t", "\r", "\n")
#: ... and one that begins so, where it calls or joins something. A name may begin so; so do numbers.
_MAY_RUN: Final = re.compile(r"[+-].*[(|!=\"'&@<>*^]", re.DOTALL)
#: Where lists are parted by semicolons, a comma's table is read in columns that begin behind one of these.
_BEHIND: Final = re.compile(
    r"(?<=.[;\t\r\n])('*)(?=[=@\uff1d\uff20]|[+-][^;\t\r\n]*[(|!=\"'&@<>*^])", re.DOTALL
)
_NUMBER: Final = re.compile(r"[+-][\d\s().,/-]*")
#: Excel's in countries with a decimal comma writes semicolons.
_DELIMITERS: Final = ",;\t"


def guarded(text: str) -> str:
    """Text as it may stand in a spreadsheet: what would be run gets a ' before it; see `unguarded`."""
    text = _BEHIND.sub(r"'\1", text)
    return f"'{text}" if _runs(text.lstrip("'")) else text


def unguarded(text: str) -> str:
    """What was guarded, as it was."""
    text = text[1:] if text.startswith("'") and _runs(text.lstrip("'")) else text
    return _BEHIND.sub(lambda found: found[1][1:], text)


def _runs(text: str) -> bool:
    return text.startswith(_RUNS) or bool(_MAY_RUN.match(text) and not _NUMBER.fullmatch(text))


def at_zone(at: float, zone: tzinfo) -> str:
    """Unix seconds as an ISO time of a zone, to the second, with its offset: 2026-11-24T10:00:00+01:00."""
    return datetime.fromtimestamp(round(at), UTC).astimezone(zone).isoformat()


def cell(value: Any) -> Any:
    """A value as it stands in a table."""
    if isinstance(value, tuple):
        value = JOINED.join(str(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return guarded(value) if isinstance(value, str) else value


def lines(rows: Sequence[Sequence[Any]]) -> str:
    """Rows as CSV; every value as `cell` has it."""
    text = io.StringIO()
    csv.writer(text).writerows([cell(value) for value in row] for row in rows)
    return text.getvalue()


def rows(content: bytes, name: str) -> Iterator[tuple[int, dict[str | None, Any]]]:
    """Rows of a table with a header line, each with the line it ends on, every text as it was written.

    As of csv.DictReader, what is missing is None, and what is too much lies under the key None.

    Raises:
        InputError: no text, or no CSV; `name` says of which file.
    """
    text = _text(content, name)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text))
    try:
        for row in reader:
            yield reader.line_num, {k: unguarded(v) if isinstance(v, str) else v for k, v in row.items()}
    except csv.Error as error:
        raise InputError(f"{name}: is not a CSV file: {error}") from None


def columns(content: bytes, name: str) -> Sequence[str]:
    """Names of the columns. Raises InputError as `rows` does."""
    text = _text(content, name)
    try:
        found = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text)).fieldnames
    except csv.Error as error:
        raise InputError(f"{name}: is not a CSV file: {error}") from None
    return list(found or ())


def _text(content: bytes, name: str) -> str:
    """Decoded as UTF-8 or, by its mark, UTF-16 (a spreadsheet's "Unicode text")."""
    wide = content[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: is not a CSV file in UTF-8: {error}") from None


def _delimiter(text: str) -> str:
    """What parts the header line: the one that stands in it most often."""
    head = text.split("\n", 1)[0]
    return max(_DELIMITERS, key=head.count)
