"""The administration's first page: the service's health and what is in force."""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.web.admin.shared import page
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.parts import parts_of


@allow("admin")
async def overview(request: web.Request) -> web.StreamResponse:
    """Show health, and what is in force."""
    parts = parts_of(request)
    settings, counts = parts.settings, await parts.store.outbox.owed()
    rules: int | None = None
    with suppress(PeerUnavailable):  # on a web node, while no controller answers
        rules = len(parts.controller.policy.rules)
    return page(
        request, "overview", health=parts.health.report(), routing=settings.routing,
        rules=rules, queues=parts.controller.queues,
        pending=sum(n for (_, state), n in counts.items() if state == "pending"),
        failed=sum(n for (_, state), n in counts.items() if state == "failed"),
        users=await parts.store.accounts.users(), settings=settings,
        changes=await parts.store.audit.rows(limit=8), findings=request.app[DOCTOR].amiss(),
        checked_at=request.app[DOCTOR].at,
    )  # fmt: skip


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [web.get("/admin", overview)]
