"""API tokens: made with scopes, shown once, revoked."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.deeds.deed import AddToken, RevokeToken
from emocx_pbx.deeds.tokens import LONGEST_DAYS, SCOPES
from emocx_pbx.errors import InputError
from emocx_pbx.web.admin.shared import form_of, page, whole_number
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other


async def _page(
    request: web.Request, status: int = 200, problem: str = "", token: str = "", name: str = ""
) -> web.Response:
    parts = parts_of(request)
    return page(
        request, "tokens", status=status, tokens=await parts.store.accounts.api_tokens(), scopes=SCOPES,
        problem=problem, token=token, name=name, now=parts.now(),
        in_settings=bool(parts.settings.http.api_token),
    )  # fmt: skip


@allow("admin")
async def tokens(request: web.Request) -> web.StreamResponse:
    """All tokens, and a form for a new one."""
    return await _page(request)


@allow("admin")
async def add(request: web.Request) -> web.StreamResponse:
    """Make a token; the resulting page is the only place where it is shown."""
    form, parts = await form_of(request), parts_of(request)
    given = (await fields(request)).getall("scopes", [])
    name = form.get("name", "")
    try:
        days = whole_number(form, "days", 0, LONGEST_DAYS)
        token = await parts.deeds.do(AddToken(name, tuple(given), days), actor_of(request))
    except InputError as error:
        return await _page(request, 422, str(error), name=name)
    return await _page(request, token=token)


@allow("admin")
async def revoke(request: web.Request) -> web.StreamResponse:
    """Revoke a token."""
    await parts_of(request).deeds.do(RevokeToken(request.match_info["token_id"]), actor_of(request))
    return see_other("/admin/tokens?done=token_revoked")


def routes() -> list[web.RouteDef]:
    """Where the pages are."""
    return [
        web.get("/admin/tokens", tokens),
        web.post("/admin/tokens", add),
        web.post("/admin/tokens/{token_id}/revoke", revoke),
    ]
