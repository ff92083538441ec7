"""Reports: agents with uncertainty, and what routing by signals brings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.routing.ranking import Estimate, Ranking, RankingSample, rank
from emocx_pbx.store.list_rows import AgentCell
from emocx_pbx.web.identity.access import scoped
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.shown.agents import BINS
from emocx_pbx.web.shown.arms import compared
from emocx_pbx.web.v1.answers import json_answer, query_of
from emocx_pbx.web.v1.shapes_in import PeriodQuery
from emocx_pbx.web.v1.shapes_out import AgentItem, AgentsAnswer, BenefitAnswer, EstimateItem
from emocx_pbx.web.v1.table import Answer, Endpoint, get
from emocx_pbx.web.v1.who import only_agent, only_queues

DAY_S: Final = 86_400.0
#: Standard deviations of a 95 % interval.
_Z95: Final = 1.96


def _period(request: web.Request) -> tuple[float, float]:
    query = query_of(request, PeriodQuery)
    until = parts_of(request).now() if query.until is None else query.until
    since = max(0.0, until - 30 * DAY_S) if query.since is None else query.since
    if since >= until:
        raise InputError("query: since: expected a time before until")
    return since, until


@scoped("agents:read", "admin", "supervisor", "agent")
async def list_agents(request: web.Request) -> web.Response:
    """Agents by how their customers may be expected to fare, with uncertainty; agents get only themselves."""
    since, until = _period(request)
    lists, own, team = parts_of(request).store.lists, only_agent(request), only_queues(request)
    cells = await lists.agents_by_cell(since, until, (until - since) / BINS, team)
    if own is not None:
        # An estimate that borrowed from colleagues would tell how they did.
        cells = [cell for cell in cells if cell.agent == own]
    letters: dict[str, dict[str, int]] = defaultdict(dict)
    for row in await lists.agents_by_letter(since, until, own, team):
        letters[row.agent][row.letter] = row.segments
    return json_answer(request, AgentsAnswer(since, until, agent_items(cells, letters, since, until, own)))


def agent_items(
    cells: Sequence[AgentCell],
    letters: Mapping[str, Mapping[str, int]],
    since: float,
    until: float,
    own: str | None = None,
) -> list[AgentItem]:
    """Agents, the best first; estimates borrow from all agents that are given."""
    step = (until - since) / BINS
    ranking = rank(
        [
            RankingSample(c.agent, c.arrived_as, c.mean, since + (c.bin + 0.5) * step, c.graded)
            for c in cells
            if c.graded
        ],
        until,
    )
    graded: dict[str, Counter[str]] = defaultdict(Counter)
    sums: dict[str, float] = defaultdict(float)
    for cell in cells:
        graded[cell.agent][cell.arrived_as] += cell.graded
        sums[cell.agent] += cell.graded * cell.mean
    kinds = sorted({cell.arrived_as for cell in cells if cell.graded})
    names = [own] if own is not None else sorted({*graded, *letters})
    items = [_item(n, graded[n], sums[n], dict(letters.get(n, {})), ranking, kinds) for n in names]
    return sorted(items, key=lambda item: (-item.expected, item.agent))


def _item(
    agent: str,
    graded: Counter[str],
    total: float,
    letters: dict[str, int],
    ranking: Ranking,
    kinds: Sequence[str],
) -> AgentItem:
    number = sum(graded.values())
    expected, low, high = _bounds(ranking.overall(agent))
    by_arrival = []
    for kind in kinds:
        estimate = ranking.estimate(agent, kind)
        by_arrival.append(EstimateItem(kind, *_bounds(estimate), graded[kind], round(estimate.calls, 2)))
    segments = max(number, sum(letters.values()))
    mean = round(total / number, 2) if number else None
    return AgentItem(agent, segments, number, mean, expected, low, high, by_arrival, letters)


def _bounds(estimate: Estimate) -> tuple[float, float, float]:
    low, high = estimate.mean - _Z95 * estimate.sd, estimate.mean + _Z95 * estimate.sd
    return round(estimate.mean, 2), round(max(0.0, low), 2), round(min(100.0, high), 2)


@scoped("calls:read", "admin", "supervisor")
async def get_benefit(request: web.Request) -> web.Response:
    """Routed customers against the holdout: differences with 95 % intervals, or that none can be told."""
    since, until = _period(request)
    arms = await parts_of(request).store.lists.arms(since, until, only_queues(request))
    calls = sum(arm.calls for arm in arms.values())
    return json_answer(request, BenefitAnswer(since, until, calls, compared(arms)))


ENDPOINTS: tuple[Endpoint, ...] = (
    get(
        "/api/v1/agents",
        list_agents,
        "reports",
        Answer("The agents with their estimates.", AgentsAnswer),
        query=PeriodQuery,
    ),
    get(
        "/api/v1/benefit",
        get_benefit,
        "reports",
        Answer("Routed customers and the holdout, compared.", BenefitAnswer),
        query=PeriodQuery,
    ),
)
