"""Lists as CSV: streamed page by page, and safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, is_dataclass
from typing import Any, Final, TypeVar

from aiohttp import web

from emocx_pbx.store.list_rows import Place

R = TypeVar("R")

#: Rows read and sent at once.
PAGE: Final = 1000
#: Spreadsheets take a cell that begins so for a formula (OWASP: CSV injection).
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def cell(value: Any) -> Any:
    """A value as it may stand in a spreadsheet: text that looks like a formula gets a ' before it."""
    if isinstance(value, tuple):
        value = " ".join(str(part) for part in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value


async def csv_answer(
    request: web.Request,
    name: str,
    page: Callable[[int, Place], Awaitable[Sequence[R]]],
    place: Callable[[R], Place],
) -> web.StreamResponse:
    """All rows of a list, with a header line, as a download; memory holds one page of them."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    after = Place()
    rows = await page(PAGE, after)  # before the answer begins: what fails here still gets its status
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    if not rows:
        return response
    await response.write(_lines([list(_values(rows[0]))]))
    while rows:
        await response.write(_lines([[cell(v) for v in _values(row).values()] for row in rows]))
        after = place(rows[-1])
        rows = await page(PAGE, after) if len(rows) == PAGE else []
    return response


def _values(row: Any) -> dict[str, Any]:
    assert is_dataclass(row) and not isinstance(row, type)
    return asdict(row)


def _lines(rows: Sequence[Sequence[Any]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue().encode()
