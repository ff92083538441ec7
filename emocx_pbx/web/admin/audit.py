"""The audit log: who changed what, and when."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from yarl import URL

from emocx_pbx.store.list_rows import ListPosition
from emocx_pbx.store.searching import Page
from emocx_pbx.web.admin.shared import page
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.numbers import whole
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.export import csv_answer

#: Changes on a page.
LISTED = 50

#: Prefixes of actions that can be filtered for.
KINDS = ("user.", "session.", "link.", "token.", "webhook.", "policy.", "model.", "privacy.", "grade.")


@dataclass(frozen=True, slots=True)
class ChangedValue:
    """A line of the download."""

    changed_at: float
    actor: str
    address: str
    action: str
    subject: str
    before: str | None
    """JSON."""
    after: str | None
    """JSON."""
    audit_id: int


@allow("admin")
async def download(request: web.Request) -> web.StreamResponse:
    """All changes that match the page's filter, for a spreadsheet."""
    query, log = request.query, parts_of(request).store.audit
    kind = query.get("kind") if query.get("kind") in KINDS else None

    async def page_of(limit: int, after: ListPosition) -> Page[ChangedValue]:
        rows = await log.rows(after.number or None, query.get("actor") or None, kind, limit)
        changed = [
            ChangedValue(r.at, r.actor, r.address, r.action, r.subject, r.before, r.after, r.audit_id)
            for r in rows
        ]
        return Page(changed, ListPosition(number=rows[-1].audit_id) if len(rows) == limit else None)

    return await csv_answer(request, "audit.csv", page_of, ChangedValue)


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
        download=str(URL("/admin/audit.csv") % filters),
        older=str(older),
        newer=str(newest),
    )


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [web.get("/admin/audit", audit), web.get("/admin/audit.csv", download)]
