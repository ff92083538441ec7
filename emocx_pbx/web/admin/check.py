"""The findings of the check, each with its remedy."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.admin.shared import page
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.render import see_other


@allow("admin")
async def check(request: web.Request) -> web.StreamResponse:
    """What the check last found, and a button to run it."""
    last = request.app[DOCTOR]
    levels = {level: sum(f.level == level for f in last.findings) for level in ("fail", "warn", "ok")}
    order = {"fail": 0, "warn": 1, "ok": 2}
    findings = sorted(last.findings, key=lambda f: order[f.level])
    return page(request, "check", at=last.at, findings=findings, levels=levels)


@allow("admin")
async def run(request: web.Request) -> web.StreamResponse:
    """Run the check; requests made meanwhile get the same answer."""
    await request.app[DOCTOR].look()
    return see_other("/admin/check")


def routes() -> list[web.RouteDef]:
    """Where the page is."""
    return [web.get("/admin/check", check), web.post("/admin/check", run)]
