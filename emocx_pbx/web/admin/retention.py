"""Retention: what is kept for how long, and erasing one customer."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.deeds.deed import EraseCustomer, Forgotten, PurgeOld
from emocx_pbx.errors import InputError
from emocx_pbx.web.admin.shared import form_of, page
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.strings import t


async def _page(request: web.Request, status: int = 200, problem: str = "", said: str = "") -> web.Response:
    parts = parts_of(request)
    kept, size = await parts.store.erasure.kept(), await parts.store.size()
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
    """Erase now what is older than the settings allow; the service does so daily by itself."""
    parts = parts_of(request)
    return await _shown(request, await parts.deeds.do(PurgeOld(), actor_of(request)))


@allow("admin")
async def erase(request: web.Request) -> web.StreamResponse:
    """Erase a customer everywhere, by key, number, or both."""
    parts, form = parts_of(request), await form_of(request)
    try:
        deed = EraseCustomer(form.get("customer"), form.get("caller"))
        erased = await parts.deeds.do(deed, actor_of(request))
    except InputError as error:
        return await _page(request, 422, str(error))
    return await _shown(request, erased)


async def _shown(request: web.Request, erased: Forgotten) -> web.Response:
    """What was removed; and a warning if copies are still left in the database's log."""
    what = ", ".join(f"{n} {kind.replace('_', ' ')}" for kind, n in erased.counts.items())
    said = t("admin.retention.gone", what=what) if what else t("admin.retention.nothing")
    if erased.settled:
        return await _page(request, said=said)
    return await _page(request, 503, f"{said} {t('admin.retention.traces')}")


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [
        web.get("/admin/retention", retention),
        web.post("/admin/retention/purge", purge),
        web.post("/admin/retention/erase", erase),
    ]
