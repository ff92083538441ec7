"""Retention: what is kept for how long, and forgetting one customer."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.web.admin.shared import DAY_S, form_of, page
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.strings import t


async def _page(request: web.Request, status: int = 200, problem: str = "", said: str = "") -> web.Response:
    parts = parts_of(request)
    path = parts.settings.store_path()
    kept = await parts.store.kept()
    size = sum(p.stat().st_size for p in path.parent.glob(f"{path.name}*") if p.is_file())
    return page(
        request, "retention", status=status, problem=problem, said=said, privacy=parts.settings.privacy,
        kept=kept, size=size,
    )  # fmt: skip


@allow("admin")
async def retention(request: web.Request) -> web.StreamResponse:
    """What is kept."""
    return await _page(request)


@allow("admin")
async def purge(request: web.Request) -> web.StreamResponse:
    """Forget now what is older than the settings say; the service does it daily by itself."""
    parts = parts_of(request)
    counts = await parts.store.purge(parts.clock() - parts.settings.privacy.keep_days * DAY_S)
    await parts.store.audit.add(actor_of(request), "privacy.purged", "old calls", None, counts)
    return await _page(request, said=_told(counts))


@allow("admin")
async def erase(request: web.Request) -> web.StreamResponse:
    """Forget a customer everywhere, by key, number, or either."""
    parts, form = parts_of(request), await form_of(request)
    customer, caller = form.get("customer") or None, form.get("caller") or None
    try:
        if customer is None and caller is None:
            raise InputError(t("admin.retention.whom"))
    except InputError as error:
        return await _page(request, 422, str(error))
    counts = await parts.store.erase(customer, caller)
    # Not whom: that would keep what was just erased.
    await parts.store.audit.add(actor_of(request), "privacy.erased", "a customer", None, counts)
    return await _page(request, said=_told(counts))


def _told(counts: dict[str, int]) -> str:
    if not counts:
        return t("admin.retention.nothing")
    return t(
        "admin.retention.gone", what=", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in counts.items())
    )


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [
        web.get("/admin/retention", retention),
        web.post("/admin/retention/purge", purge),
        web.post("/admin/retention/erase", erase),
    ]
