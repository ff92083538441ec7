"""The sums that pages show; of the periods that they offer these are made before anybody asks. Pure."""

from __future__ import annotations

from typing import Final

from emocx_pbx.store.kept_sums import Sum
from emocx_pbx.store.list_rows import Team, team_text

#: Stretches that agents' grades are cut into, and days, of periods that pages offer.
PERIODS: Final = (7, 30, 90, 365)
BINS: Final = 8
DAY_S: Final = 86_400.0


def standard_sums(now: float) -> list[Sum]:
    """What pages ask for at `now` (Unix seconds), and the benefit of all time."""
    periods = [(now - days * DAY_S, now) for days in PERIODS]
    of_periods = [
        made
        for since, until in periods
        for made in (cells(since, until, BINS), letters(since, until), arms(since, until))
    ]
    return [*of_periods, delivered(now), arms(0.0, now)]


def cells(since: float, until: float, bins: int, team: Team = None) -> Sum:
    """Agents' scores by how customers arrived and by stretches of time."""
    return Sum("view_agents_by_cell", "graded", since, until, {"team": team_text(team)}, bins)


def letters(since: float, until: float, agent: str | None = None, team: Team = None) -> Sum:
    """How often agents got which letter."""
    return Sum("view_agents_by_letter", "segments", since, until, {"agent": agent, "team": team_text(team)})


def delivered(now: float) -> Sum:
    """Deliveries by receiver and state."""
    return Sum("delivery_counts", "number", 0.0, now, {})


def arms(since: float, until: float, team: Team = None) -> Sum:
    """How routed customers and those of the holdout fared."""
    return Sum("view_arms", "calls", since, until, {"team": team_text(team)})
