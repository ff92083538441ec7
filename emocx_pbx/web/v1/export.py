"""Lists as CSV: streamed page by page, and safe to open in a spreadsheet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from typing import Any, Final, TypeVar

from aiohttp import web

from emocx_pbx.sheet import BOM, at_zone, lines
from emocx_pbx.store.list_rows import ListPosition
from emocx_pbx.store.searching import Page
from emocx_pbx.web.zone import zone_named, zone_of

R = TypeVar("R")

#: Rows read and sent at a time.
PAGE: Final = 1000


async def csv_answer(
    request: web.Request,
    name: str,
    page: Callable[[int, ListPosition], Awaitable[Page[R]]],
    kind: type[R],
    zone: str = "",
) -> web.StreamResponse:
    """All rows of a list, with a header line, as a download; memory holds one page of them.

    Args:
        request: what is answered.
        name: of the file.
        page: finds up to this many rows behind a place, without holding up pages for long.
        kind: type of the rows: a dataclass, whose fields are the columns; those ending in `_at` are times.
        zone: IANA name of the viewer's zone; empty: the browser's, or else the server's.

    Raises:
        InputError: there is no such zone.
    """
    viewer = zone_named(zone) if zone else zone_of(request)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    times = {name for name in names if name.endswith("_at")}

    def values(row: R) -> list[Any]:
        found = ((name, getattr(row, name)) for name in names)
        return [at_zone(v, viewer) if name in times and v is not None else v for name, v in found]

    response = web.StreamResponse(
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        }
    )
    found = await page(PAGE, ListPosition())  # before the answer begins: an error here still gets its status
    await response.prepare(request)
    if request.method == "HEAD":
        return response
    await response.write((BOM + lines([names])).encode())
    while True:
        await response.write(lines([values(row) for row in found.rows]).encode())
        if found.next is None:
            return response
        found = await page(PAGE, found.next)


def short_csv(
    request: web.Request, name: str, head: Sequence[str], rows: Sequence[Sequence[Any]]
) -> web.Response:
    """A list that fits into memory as a download; columns named `..._at` are Unix seconds, shown as times."""
    zone = zone_of(request)
    times = {i for i, column in enumerate(head) if column.endswith("_at")}
    described = [
        [at_zone(v, zone) if i in times and v is not None else v for i, v in enumerate(row)] for row in rows
    ]
    return web.Response(
        body=(BOM + lines([head, *described])).encode(),
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )
