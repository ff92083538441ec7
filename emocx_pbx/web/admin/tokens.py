"""API tokens: made with scopes, shown once, revoked."""

from __future__ import annotations

import secrets

from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.web.admin.shared import DAY_S, form_of, page, whole_number
from emocx_pbx.web.guards import form_of as fields
from emocx_pbx.web.identity.access import SCOPES, allow
from emocx_pbx.web.identity.passwords import new_token, token_hash
from emocx_pbx.web.identity.sessions import actor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import see_other
from emocx_pbx.web.strings import t

#: Begins every token, so that scanners of leaked secrets know one.
PREFIX = "emocx_"


async def _page(
    request: web.Request, status: int = 200, problem: str = "", token: str = "", name: str = ""
) -> web.Response:
    parts = parts_of(request)
    return page(
        request, "tokens", status=status, tokens=await parts.store.accounts.api_tokens(), scopes=SCOPES,
        problem=problem, token=token, name=name, now=parts.clock(),
        in_settings=bool(parts.settings.http.api_token),
    )  # fmt: skip


@allow("admin")
async def tokens(request: web.Request) -> web.StreamResponse:
    """All tokens, and a form for a new one."""
    return await _page(request)


@allow("admin")
async def add(request: web.Request) -> web.StreamResponse:
    """A new token; the page that answers is the only place where it is shown."""
    form, parts = await form_of(request), parts_of(request)
    given = (await fields(request)).getall("scopes", [])
    scopes = [scope for scope in SCOPES if scope in given]
    name = form.get("name", "")
    try:
        if not 1 <= len(name) <= 80:
            raise InputError(t("admin.tokens.name_rule"))
        if not scopes:
            raise InputError(t("admin.tokens.no_scope"))
        days = whole_number(form, "days", 0, 3650)
    except InputError as error:
        return await _page(request, 422, str(error), name=name)
    token = new_token(PREFIX)
    expires_at = parts.clock() + days * DAY_S if days else None
    await parts.store.accounts.add_api_token(
        f"tok_{secrets.token_hex(6)}", token_hash(token), name, scopes, expires_at, actor_of(request)
    )
    return await _page(request, token=token)


@allow("admin")
async def revoke(request: web.Request) -> web.StreamResponse:
    """The token holds no more."""
    await parts_of(request).store.accounts.revoke_api_token(request.match_info["token_id"], actor_of(request))
    return see_other("/admin/tokens?done=token_revoked")


def routes() -> list[web.RouteDef]:
    """Where the pages are."""
    return [
        web.get("/admin/tokens", tokens),
        web.post("/admin/tokens", add),
        web.post("/admin/tokens/{token_id}/revoke", revoke),
    ]
