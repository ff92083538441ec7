"""The viewer's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from aiohttp import web

from emocx_pbx.errors import InputError

#: Cookie in which the pages' script names the viewer's time zone.
ZONE: Final = "emocx-zone"


def zone_of(request: web.Request) -> tzinfo:
    """The browser's time zone; the server's own until it is known."""
    try:
        return ZoneInfo(request.cookies.get(ZONE, "") or "-")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now(UTC).astimezone().tzinfo or UTC


def zone_named(name: str) -> tzinfo:
    """The zone of an IANA name (Europe/Berlin). Raises InputError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise InputError(f"zone {name[:64]!r}: expected a name like Europe/Berlin") from None
