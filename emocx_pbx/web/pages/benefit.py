"""The page of the benefit: routed customers against the holdout."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from aiohttp import web

from emocx_pbx.routing.benefit import Comparison, Summary, compare_summaries
from emocx_pbx.store.view_rows import Arm, Spread
from emocx_pbx.web.access import allow
from emocx_pbx.web.pages.shared import DAY_S, days_of, period
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render
from emocx_pbx.web.views.benefit import benefit_view


@allow("admin", "supervisor")
async def benefit(request: web.Request) -> web.StreamResponse:
    """Both arms over a time."""
    parts, days = parts_of(request), days_of(request, 90)
    now = parts.clock()
    arms = await parts.store.views.arms(now - days * DAY_S, now)
    routing = parts.settings.routing
    calls = sum(arm.calls for arm in arms.values())
    view = benefit_view(_compared(arms), calls, routing.holdout, routing.mode)
    return render(request, "benefit.html", view=view, **period(days))


def _compared(arms: Mapping[str, Arm]) -> list[Comparison]:
    pair = [arms.get(name) for name in ("routed", "holdout")]

    def both(read: Callable[[Arm], Spread]) -> tuple[Summary, Summary]:
        routed, holdout = (Summary(0, None, None) if arm is None else _summary(read(arm)) for arm in pair)
        return routed, holdout

    return compare_summaries(
        {
            "grade": both(lambda arm: arm.score),
            "abandoned": both(lambda arm: arm.abandoned),
            "wait": both(lambda arm: arm.wait_s),
            "handle time": both(lambda arm: arm.talk_s),
        }
    )


def _summary(spread: Spread) -> Summary:
    return Summary(spread.number, spread.mean, spread.variance)


def routes() -> list[web.RouteDef]:
    """Where it is."""
    return [web.get("/benefit", benefit)]
