"""The customers' page: a query, where it goes and how long it takes, and a callback; also in a frame.

It sets no cookie and needs no script: every step is a form, and what a customer may return to has an address
that cannot be guessed.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

from aiohttp import web

from emocx_pbx.chat.chat_desk import MAX_TEXT, ChatDesk, ChatRefused
from emocx_pbx.chat.tickets import Ticket
from emocx_pbx.dispatch.numbers import MAX_CHARS
from emocx_pbx.web.assets import FOLDER
from emocx_pbx.web.guards import form_of
from emocx_pbx.web.identity.access import FRAME_ANCESTORS, public_without_form
from emocx_pbx.web.identity.sessions import address_of, same_site, someone_here
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import environment
from emocx_pbx.web.strings import t

#: Name of a field that only bots fill in: people don't see it.
HONEYPOT: Final = "website"
#: States that are about to change.
MOVING: Final = frozenset({"calling", "waiting", "talking"})
#: Seconds for which the widget's script may be cached.
WIDGET_KEEP_S: Final = 3600

_WIDGET: Final = Path(FOLDER) / "chat" / "widget.js"


@public_without_form
async def ask_form(request: web.Request) -> web.Response:
    """The empty page."""
    return _page(request, "chat/ask.html", text="", consented=False)


@public_without_form
async def ask(request: web.Request) -> web.Response:
    """Take a query."""
    chat, form = _chat(request), await _form(request)
    text, consented = form.get("text", ""), form.get("consent") == "yes"
    try:
        if form.get(HONEYPOT):
            raise ChatRefused("program", 422)
        ticket = await chat.ask(text, consented, address_of(request))
    except ChatRefused as refused:
        return _page(request, "chat/ask.html", refused, text=text[: 2 * MAX_TEXT], consented=consented)
    raise web.HTTPSeeOther(_address(request, ticket))


@public_without_form
async def answer(request: web.Request) -> web.Response:
    """Where the query goes, and the state of the callback."""
    return _answer(request)


@public_without_form
async def call_me(request: web.Request) -> web.Response:
    """Call the customer."""
    chat, form = _chat(request), await _form(request)
    number = form.get("number", "")
    try:
        if form.get(HONEYPOT):
            raise ChatRefused("program", 422)
        ticket = await chat.call_me(request.match_info["ticket"], number, address_of(request))
    except ChatRefused as refused:
        return _answer(request, refused, number[: 2 * MAX_CHARS])
    raise web.HTTPSeeOther(_address(request, ticket))


@public_without_form
async def state(request: web.Request) -> web.Response:
    """The state of the call, for the page's script."""
    try:
        ticket = _chat(request).ticket(request.match_info["ticket"])
    except ChatRefused:
        raise web.HTTPNotFound from None
    return web.json_response({"state": ticket.state})


@public_without_form
async def widget(request: web.Request) -> web.StreamResponse:
    """The script that companies put into their pages."""
    _chat(request)
    headers = {
        "Content-Type": "text/javascript; charset=utf-8",
        "Cache-Control": f"public, max-age={WIDGET_KEEP_S}",
        "Cross-Origin-Resource-Policy": "cross-origin",
    }
    return web.FileResponse(_WIDGET, headers=headers)


def routes() -> list[web.RouteDef]:
    """Where the chat is."""
    return [
        web.get("/chat", ask_form),
        web.post("/chat", ask),
        web.get("/chat/widget.js", widget),
        web.get("/chat/{ticket:[0-9a-f]{32}}", answer),
        web.post("/chat/{ticket:[0-9a-f]{32}}", call_me),
        web.get("/chat/{ticket:[0-9a-f]{32}}/state", state),
    ]


def _chat(request: web.Request) -> ChatDesk:
    """The chat desk, if the chat is open to this visitor; else the page does not exist."""
    chat = parts_of(request).chat
    mode = chat.settings.mode
    if mode == "off" or (mode == "local" and not someone_here(request)):
        raise web.HTTPNotFound
    return chat


async def _form(request: web.Request) -> dict[str, str]:
    """The form's values; another site's page may not submit it for a visitor."""
    if not same_site(request):
        raise web.HTTPForbidden(text=t("errors.form"))
    return dict(await form_of(request))


def _address(request: web.Request, ticket: Ticket) -> str:
    return f"/chat/{ticket.ticket_id}" + ("?embed=1" if "embed" in request.query else "")


def _answer(request: web.Request, refused: ChatRefused | None = None, number: str = "") -> web.Response:
    chat = _chat(request)
    try:
        ticket = chat.ticket(request.match_info["ticket"])
    except ChatRefused as gone:
        return _page(request, "chat/ask.html", gone, text="", consented=False)
    return _page(
        request,
        "chat/answer.html",
        refused,
        ticket=ticket,
        team=chat.team(ticket),
        expected=chat.expected(ticket),
        calls_back=chat.calls_back and bool(ticket.decision.queue),
        moving=ticket.state in MOVING,
        number=number,
    )


def _page(
    request: web.Request, template: str, refused: ChatRefused | None = None, /, **context: Any
) -> web.Response:
    chat = _chat(request)
    problem, status = "", 200
    if refused is not None:
        status, minutes = refused.status, max(1, math.ceil(refused.wait_s / 60))
        problem = t(f"chat.refused.{refused.why}", n=minutes, most=MAX_TEXT)
    html = environment().get_template(template).render(
        chat=chat.settings,
        problem=problem,
        why=refused.why if refused else "",
        embed="embed" in request.query,
        honeypot=HONEYPOT,
        max_text=MAX_TEXT,
        max_number=MAX_CHARS,
        country=parts_of(request).settings.dialling.country,
        **context,
    )  # fmt: skip
    if chat.settings.origins:
        request[FRAME_ANCESTORS] = " ".join(("'self'", *chat.settings.origins))
    response = web.Response(text=html, status=status, content_type="text/html")
    if refused is not None and refused.wait_s:
        response.headers["Retry-After"] = str(math.ceil(refused.wait_s))
    return response
