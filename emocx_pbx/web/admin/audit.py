"""The audit log: who changed what, and when."""

from __future__ import annotations

from aiohttp import web
from yarl import URL

from emocx_pbx.web.admin.shared import page
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.numbers import whole
from emocx_pbx.web.parts import parts_of

#: Changes on a page.
LISTED = 50

#: Beginnings of actions that can be looked for.
KINDS = ("user.", "session.", "link.", "token.", "webhook.", "policy.", "model.", "privacy.", "grade.")


@allow("admin")
async def audit(request: web.Request) -> web.StreamResponse:
    """Changes, newest first."""
    query = request.query
    before = query.get("before", "")
    rows = await parts_of(request).store.audit.rows(
        whole(before),
        query.get("actor") or None,
        query.get("kind") if query.get("kind") in KINDS else None,
        LISTED + 1,
    )
    filters = {key: query[key] for key in ("actor", "kind") if query.get(key)}
    older = (
        URL("/admin/audit") % {**filters, "before": rows[LISTED - 1].audit_id} if len(rows) > LISTED else ""
    )
    newest = URL("/admin/audit") % filters if before else ""
    return page(
        request,
        "audit",
        rows=rows[:LISTED],
        kinds=KINDS,
        filters=filters,
        older=str(older),
        newer=str(newest),
    )


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [web.get("/admin/audit", audit)]
