"""The sums that pages show; for the periods that pages offer they are computed before anybody asks. Pure."""

from __future__ import annotations

from typing import Final

from emocx_pbx.store.kept_sums import Sum
from emocx_pbx.store.list_rows import Team, team_text

#: The periods that pages offer, in days, and the number of bins that agents' grades are cut into.
PERIODS: Final = (7, 30, 90, 365)
BINS: Final = 8
DAY_S: Final = 86_400.0


def standard_sums(now: float) -> list[Sum]:
    """The sums that pages ask for at `now` (Unix seconds), and the benefit over all time."""
    periods = [(now - days * DAY_S, now) for days in PERIODS]
    of_periods = [
        made
        for since, until in periods
        for made in (cells(since, until, BINS), letters(since, until), arms(since, until))
    ]
    return [*of_periods, delivered(now), arms(0.0, now)]


def cells(since: float, until: float, bins: int, team: Team = None) -> Sum:
    """Agents' scores by how customers arrived and by bins of time."""
    return Sum("view_agents_by_cell", "graded", since, until, {"team": team_text(team)}, bins)


def letters(since: float, until: float, team: Team = None) -> Sum:
    """How often agents got each letter."""
    return Sum("view_agents_by_letter", "segments", since, until, {"team": team_text(team)})


def delivered(now: float) -> Sum:
    """Deliveries by receiver and state."""
    return Sum("delivery_counts", "number", 0.0, now, {})


def arms(since: float, until: float, team: Team = None) -> Sum:
    """The results of routed customers and of those in the holdout."""
    return Sum("view_arms", "calls", since, until, {"team": team_text(team)})


def stays(since: float, until: float, now: float, bins: int, team: Team = None) -> Sum:
    """Stays in queues, by all that is counted of them; the period is not one that moves on with time."""
    rest = {"now": now, "team": team_text(team)}
    return Sum("view_queue_stays", "number", since, until, rest, bins, fixed=True)
