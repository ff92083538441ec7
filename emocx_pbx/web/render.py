"""Pages: one Jinja2 environment that escapes everything, and what every template may use."""

from __future__ import annotations

import asyncio
from functools import cache
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

from emocx_pbx.observe.heap import keep_for_good
from emocx_pbx.web.assets import asset
from emocx_pbx.web.filters import FILTERS
from emocx_pbx.web.identity.sessions import FORM, NEW_SEED, form_seed, form_token, set_cookie, visitor_of
from emocx_pbx.web.navigation import navigation
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.shown import drawings
from emocx_pbx.web.strings import LANGUAGE, t

TEMPLATES: Final = Path(__file__).parent / "templates"


@cache
def environment() -> jinja2.Environment:
    """The environment; templates are read once."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals.update(t=t, asset=asset, language=LANGUAGE, charts=drawings)
    made.filters.update(FILTERS)
    made.globals["ui"] = made.get_template("_parts.html").module
    return made


async def prepare_pages() -> None:
    """Compile all templates in a thread, a twentieth of a second each, so that no page's first visitor waits
    for it; nor for a garbage collection, which took as long as a page.
    """
    made = environment()

    def compiled() -> None:
        for name in made.list_templates():
            made.get_template(name)

    await asyncio.to_thread(compiled)
    keep_for_good()


def render(request: web.Request, template: str, /, *, status: int = 200, **context: Any) -> web.Response:
    """A page or a fragment.

    Every template has `user` (None before login), `csrf` (the form token), `path`, `navigation` (entries
    of this user's role), `t(key)` for texts, `asset(file)` for addresses of static files, `ui` (macros
    of _parts.html), `charts` (drawings.py), and the filters.
    """
    user = visitor_of(request).user
    html = environment().get_template(template).render(
        request=request,
        user=user,
        csrf=form_token(form_seed(request)),
        path=request.path,
        navigation=navigation(user, request.path),
        **context,
    )  # fmt: skip
    response = web.Response(text=html, status=status, content_type="text/html")
    if seed := request.get(NEW_SEED):
        set_cookie(response, parts_of(request).settings.http, FORM, seed, None)
    return response


def see_other(path: str) -> web.Response:
    """After a change: go to a page of ours."""
    return web.Response(status=303, headers={"Location": path})
