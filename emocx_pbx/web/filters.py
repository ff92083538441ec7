"""How templates write values: times, durations, numbers, shares. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote

import msgspec
from markupsafe import Markup

from emocx_pbx.settings.receiver_url import shown_url
from emocx_pbx.web.shown.receiver_path import receiver_path

#: Shown where there is no value.
NOTHING: Final = "–"


def moment(at: float | None, style: Literal["datetime", "time", "date", "ago"] = "datetime") -> str:
    """Unix seconds as `<time>`: UTC in the page, shown in the viewer's own zone by a script.

    Args:
        at: None is written as a dash.
        style: what is shown: datetime, time (of day), date, or ago ("5 minutes ago").
    """
    if at is None:
        return NOTHING
    utc = datetime.fromtimestamp(at, UTC)
    plain = {"date": "%Y-%m-%d", "time": "%H:%M:%S UTC"}.get(style, "%Y-%m-%d %H:%M:%S UTC")
    return Markup('<time datetime="{}" data-style="{}">{}</time>').format(
        utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"), style, utc.strftime(plain)
    )


def duration(seconds: float | None) -> str:
    """75.2 -> 1:15, 3675 -> 1:01:15."""
    if seconds is None:
        return NOTHING
    whole = max(0, int(seconds))
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02d}:{whole % 60:02d}" if hours else f"{minutes}:{whole % 60:02d}"


def number(value: float | None, digits: int = 0) -> str:
    """1234.5 -> 1,235 (screen readers would not read a thin space well)."""
    return NOTHING if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, digits: int = 0) -> str:
    """0.256 -> 26 %."""
    return NOTHING if share is None else f"{share * 100:.{digits}f} %"


def signed(value: float, digits: int = 1) -> str:
    """Points of a sum: +3.2, −1.0."""
    return f"{'+' if value > 0 else '−' if value < 0 else '±'}{abs(value):.{digits}f}"


def pretty(json: str) -> str:
    """JSON as people read it."""
    return msgspec.json.format(json, indent=2)


def path_part(text: str) -> str:
    """One part of an address, whatever it contains: `berlin/1.2` -> `berlin%2F1.2`."""
    return quote(text, safe="")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "moment": moment,
    "duration": duration,
    "number": number,
    "percent": percent,
    "signed": signed,
    "pretty": pretty,
    "path_part": path_part,
    "shown_url": shown_url,
    "receiver_path": receiver_path,
}
