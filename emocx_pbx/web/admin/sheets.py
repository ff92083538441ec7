"""The administration's lists for a spreadsheet: each as its page shows it, with times and without secrets."""

from __future__ import annotations

import asyncio

from aiohttp import web

from emocx_pbx.deeds.reviews import accuracy_here
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.settings.receiver_url import shown_url
from emocx_pbx.store.list_rows import DeliveryFilter
from emocx_pbx.store.rows import DeliveryRow
from emocx_pbx.web.admin.models import listed
from emocx_pbx.web.admin.shared import DAY_S
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.review import kind_of
from emocx_pbx.web.pages.shared import days_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.shown.receiver_path import receiver_name
from emocx_pbx.web.v1.export import csv_answer, short_csv

DELIVERY_STATES = ("failed", "pending", "delivered")


@allow("admin")
async def users(request: web.Request) -> web.StreamResponse:
    """Who may log in, and whose calls they see."""
    found = await parts_of(request).store.accounts.users()
    head = ("name", "role", "agent", "queues", "has_password", "created_at", "disabled_at")
    rows = [(u.name, u.role, u.agent, u.queues, u.has_password, u.created_at, u.disabled_at) for u in found]
    return short_csv(request, "users.csv", head, rows)


@allow("admin")
async def tokens(request: web.Request) -> web.StreamResponse:
    """API tokens, without the secret part."""
    found = await parts_of(request).store.accounts.api_tokens()
    head = ("name", "scopes", "created_by", "created_at", "expires_at", "last_used_at", "revoked_at")
    rows = [
        (k.name, k.scopes, k.created_by, k.created_at, k.expires_at, k.last_used_at, k.revoked_at)
        for k in found
    ]
    return short_csv(request, "tokens.csv", head, rows)


@allow("admin")
async def receivers(request: web.Request) -> web.StreamResponse:
    """Receivers of webhooks, and the state of their deliveries."""
    parts = parts_of(request)
    store = parts.store
    counts, disabled = await store.lists.delivery_counts(parts.now()), await store.outbox.disabled()
    head = ("name", "url", "events", "disabled", *DELIVERY_STATES)
    rows = [
        (r.name, shown_url(r.url), r.events, disabled.get(r.name),
         *(counts.get((r.name, state), 0) for state in DELIVERY_STATES))
        for r in store.receivers.current()
    ]  # fmt: skip
    return short_csv(request, "webhooks.csv", head, rows)


@allow("admin")
async def deliveries(request: web.Request) -> web.StreamResponse:
    """All deliveries of a receiver in a state, newest first."""
    name, state = receiver_name(request.match_info["key"]), request.query.get("state", "failed")
    if name is None:
        raise web.HTTPNotFound
    lists = parts_of(request).store.lists
    which = DeliveryFilter(name, state if state in DELIVERY_STATES else None)  # type: ignore[arg-type]

    return await csv_answer(
        request,
        "deliveries.csv",
        lambda limit, after: lists.page_of_deliveries(which, limit, after),
        DeliveryRow,
    )


@allow("admin")
async def models(request: web.Request) -> web.StreamResponse:
    """Installed models."""
    found = await asyncio.to_thread(listed, Registry(parts_of(request).settings.models_path()))
    head = ("kind", "name", "version", "current", "licence", "problem")
    rows = [
        (m.kind, m.name, m.version, m.current, m.card.licence if m.card else None, m.problem) for m in found
    ]
    return short_csv(request, "models.csv", head, rows)


@allow("admin")
async def check(request: web.Request) -> web.StreamResponse:
    """What the check last found."""
    rows = [(f.level, f.topic, f.what, f.remedy) for f in request.app[DOCTOR].findings]
    return short_csv(request, "check.csv", ("level", "topic", "what", "remedy"), rows)


@allow("admin")
async def parts(request: web.Request) -> web.StreamResponse:
    """The state of the service's parts."""
    components = parts_of(request).health.report()["components"]
    rows = [(name, part["up"], part["since"], part["why"]) for name, part in components.items()]
    return short_csv(request, "parts.csv", ("part", "up", "since_at", "remark"), rows)


@allow("admin")
async def accuracy(request: web.Request) -> web.StreamResponse:
    """All shares on the accuracy page, one per line, as numbers from 0 to 1."""
    kind, here = kind_of(request.query.get("kind", "")), parts_of(request)
    since = max(0.0, here.now() - days_of(request, 365) * DAY_S)
    found = await accuracy_here(here.store, here.settings, kind, since)
    shares = [("all", "", "right", found.right)]
    shares += [("class", label, "recall", share) for label, share in found.recall.items()]
    shares += [("class", label, "false_alarms", share) for label, share in found.false_alarms.items()]
    for of, some in (("month", found.months), ("model", found.models)):
        for part in some:
            shares.append((of, part.name, "right", part.right))
            shares.append((of, part.name, "upset_found", part.upset_found))
            shares.append((of, part.name, "upset_alarms", part.upset_alarms))
    rows: list[tuple[object, ...]] = [
        (of, name, figure, s.value, s.low, s.high, s.windows) for of, name, figure, s in shares if s
    ]
    rows += [("confidence", round(b.confidence, 3), "right", b.right, None, None, None) for b in found.bins]
    head = ("of", "name", "figure", "share", "low", "high", "windows")
    return short_csv(request, f"accuracy-{kind}.csv", head, rows)


@allow("admin")
async def rounds(request: web.Request) -> web.StreamResponse:
    """Windows drawn for people to label, round by round."""
    kind = kind_of(request.query.get("kind", ""))
    found = [r for r in await parts_of(request).store.reviews.rounds() if r.kind == kind]
    head = ("drawn_at", "by", "since_at", "until_at", "windows", "of_doubt", "labelled", "stands_for")
    rows = [
        (r.at, r.author, r.since, r.until, r.items, r.doubts, r.labelled, r.sure + r.doubtful) for r in found
    ]
    return short_csv(request, f"rounds-{kind}.csv", head, rows)


def routes() -> list[web.RouteDef]:
    """Where they are."""
    return [
        web.get("/admin/parts.csv", parts),
        web.get("/admin/users.csv", users),
        web.get("/admin/tokens.csv", tokens),
        web.get("/admin/webhooks.csv", receivers),
        web.get("/admin/webhooks/{key}/deliveries.csv", deliveries),
        web.get("/admin/models.csv", models),
        web.get("/admin/accuracy.csv", accuracy),
        web.get("/admin/rounds.csv", rounds),
        web.get("/admin/check.csv", check),
    ]
