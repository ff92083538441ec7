"""Accuracy here: what people's labels show about the models on this site, and training from them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from aiohttp import web

from emocx_pbx.deeds.learning import hindrance
from emocx_pbx.deeds.review_deeds import DrawReviews, StopTraining, TrainCandidate
from emocx_pbx.deeds.reviews import KINDS, MOST, accuracy_here
from emocx_pbx.errors import InputError
from emocx_pbx.review.windows import Kind
from emocx_pbx.web.admin.shared import DAY_S, form_of, page, whole_number
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.pages.review import kind_of
from emocx_pbx.web.pages.shared import days_of, period
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other
from emocx_pbx.web.shown.accuracy import accuracy_view, training_view

_FIELDS = ("number", "doubts", "twice", "days")


@allow("admin")
async def accuracy(request: web.Request) -> web.StreamResponse:
    """The report of one kind, its rounds, and trainings."""
    return await _page(request, kind_of(request.query.get("kind", "")))


async def _page(
    request: web.Request,
    kind: Kind,
    status: int = 200,
    problem: str = "",
    given: Mapping[str, str] | None = None,
) -> web.Response:
    parts, days = parts_of(request), days_of(request, 365)
    store, settings = parts.store, parts.settings
    since = max(0.0, parts.now() - days * DAY_S)
    found = await accuracy_here(store, settings, kind, since)
    rounds = [row for row in await store.reviews.rounds() if row.kind == kind]
    trainings, now = await store.reviews.trainings(), parts.now()
    return page(
        request, "accuracy", status=status, problem=problem, kind=kind, kinds=KINDS, given=given or {},
        view=accuracy_view(found, rounds), rounds=rounds, method=found.method,
        trainings=[training_view(row) for row in trainings if row.kind == kind],
        running=any(row.state == "running" and row.deadline_at > now for row in trainings),
        hindered=await asyncio.to_thread(hindrance, settings, kind), upset=settings.routing.upset_threshold,
        can_draw=bool(settings.recordings.path) if kind == "voice" else settings.privacy.store_query_text,
        keep_days=settings.privacy.keep_days, **period(days, f"kind={kind}"),
    )  # fmt: skip


@allow("admin")
async def draw(request: web.Request) -> web.StreamResponse:
    """Draw windows for people to label."""
    form, parts = await form_of(request), parts_of(request)
    kind = kind_of(form.get("kind", ""))
    try:
        number, doubts = whole_number(form, "number", 0, MOST), whole_number(form, "doubts", 0, MOST)
        twice = whole_number(form, "twice", 0, 100) / 100
        days = whole_number(form, "days", 1, 3650) if form.get("days") else 0
        since = parts.now() - days * DAY_S if days else None
        await parts.deeds.do(DrawReviews(kind, number, doubts, twice, since), actor_of(request))
    except InputError as error:
        given = {name: form.get(name, "") for name in _FIELDS}
        return await _page(request, kind, 422, str(error), given)
    return see_other(f"/admin/accuracy?kind={kind}&done=review_drawn")


@allow("admin")
async def train(request: web.Request) -> web.StreamResponse:
    """Train a candidate from the labels in the background."""
    form, parts = await form_of(request), parts_of(request)
    kind = kind_of(form.get("kind", ""))
    try:
        await parts.deeds.do(TrainCandidate(kind, form.get("promote") == "yes"), actor_of(request))
    except InputError as error:
        return await _page(request, kind, 422, str(error))
    return see_other(f"/admin/accuracy?kind={kind}&done=training_begun#training")


@allow("admin")
async def stop(request: web.Request) -> web.StreamResponse:
    """End the running training."""
    kind = kind_of((await form_of(request)).get("kind", ""))
    await parts_of(request).deeds.do(StopTraining(), actor_of(request))
    return see_other(f"/admin/accuracy?kind={kind}&done=training_stopped#training")


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [
        web.get("/admin/accuracy", accuracy),
        web.post("/admin/accuracy/draw", draw),
        web.post("/admin/accuracy/train", train),
        web.post("/admin/accuracy/stop", stop),
    ]
