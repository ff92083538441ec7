"""What several pages read from a request: the period, the time zone, and whose calls the viewer may see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.store.list_rows import Team
from emocx_pbx.store.rows import CallDetail
from emocx_pbx.web.identity.sessions import user_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.seen import as_seen, own_of, team_of
from emocx_pbx.web.strings import t
from emocx_pbx.web.zone import zone_of

#: Times that pages offer, in days.
PERIODS: Final = (1, 7, 30, 90, 365)
DAY_S: Final = 86_400.0


def days_of(request: web.Request, default: int = 30) -> int:
    """The period that a page covers (`?days=`), one of PERIODS.

    Raises:
        InputError: it is another one.
    """
    given = request.query.get("days", "") or str(default)
    if given not in {str(n) for n in PERIODS}:
        raise InputError(f"days: expected one of {', '.join(str(n) for n in PERIODS)}")
    return int(given)


def period(days: int, keep: str = "") -> Mapping[str, Any]:
    """What `_period.html` needs; `keep` is the rest of the address's query."""
    return {"periods": PERIODS, "days": days, "keep": keep}


def only_agent(request: web.Request) -> str | None:
    """The agent to whose calls the viewer is restricted; None for those who see all."""
    return own_of(user_of(request))


def only_queues(request: web.Request) -> Team:
    """The queues to whose calls the viewer is restricted; None for those who see all."""
    return team_of(user_of(request))


def day_of(request: web.Request, now: float) -> tuple[date, float, float]:
    """The day that a page covers (`?day=2026-11-24`; else today) with its begin and end in Unix seconds.

    Raises:
        InputError: it is not a date.
    """
    zone = zone_of(request)
    given = request.query.get("day", "")
    try:
        day = date.fromisoformat(given) if given else datetime.fromtimestamp(now, zone).date()
        begin = datetime(day.year, day.month, day.day, tzinfo=zone)
        # The next day's begin: a day on which clocks change does not have 24 hours.
        after = day + timedelta(days=1)
        end = datetime(after.year, after.month, after.day, tzinfo=zone)
        return day, begin.timestamp(), end.timestamp()
    except (ValueError, OverflowError):
        raise InputError("day: expected a date such as 2026-11-24") from None


async def seen_call(request: web.Request) -> CallDetail:
    """What the viewer may see of the call in the address.

    Raises:
        HTTPNotFound: there is none, or (indistinguishably) it is not theirs.
    """
    detail = await parts_of(request).store.call(request.match_info["call_id"])
    seen = as_seen(detail, only_agent(request), only_queues(request)) if detail is not None else None
    if seen is None:
        raise web.HTTPNotFound(text=t("errors.e404", ""))
    return seen
