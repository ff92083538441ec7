"""What every request passes before it is handled: cheap checks of its headers, and a bounded body.

All of the server's limits on what clients send are here and in listening.py.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from emocx_pbx.errors import InputError
from emocx_pbx.web.forms import Media, UnsupportedMedia, fields_of, media_of
from emocx_pbx.web.identity.sessions import NO_ADDRESS, address_of
from emocx_pbx.web.problem import problem

log = structlog.get_logger()

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Largest request body in bytes; a policy has a few pages.
MAX_BODY: Final = 256 * 1024
#: Largest body in bytes from unknown clients: a chat query, or a name and a password.
MAX_BODY_OF_NOBODY: Final = 32 * 1024
#: Seconds for a body to arrive.
BODY_S: Final = 10.0
#: Headers that are used as text.
READ: Final = (
    "Authorization", "Content-Type", "Cookie", "Forwarded", "Host", "HX-Request", "Idempotency-Key",
    "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "Last-Event-ID", "Origin", "Range",
    "Sec-Fetch-Site", "X-CSRF-Token", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto",
)  # fmt: skip

MEDIA: web.RequestKey[Media] = web.RequestKey("media", Media)
_FORM: web.RequestKey[MultiDictProxy[str]] = web.RequestKey("form", MultiDictProxy)


@web.middleware
async def bounded(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses requests whose body would not be read anyway, by their headers alone."""
    if refusal := _refusal(request):
        status, title, detail = refusal
        answer = problem(status, title, detail)
        answer.force_close()  # the body is not read
        return answer
    return await handler(request)


def _refusal(request: web.Request) -> tuple[int, str, str] | None:
    headers = request.headers
    for name in READ:
        for value in headers.getall(name, ()):
            if not value.isascii() and not _is_text(value):
                return 400, "Bad request", f"{name}: not UTF-8 text"
    for name in ("Content-Encoding", "Authorization", "Content-Type", "Host", "Origin", "X-CSRF-Token"):
        if len(headers.getall(name, ())) > 1:
            return 400, "Bad request", f"{name}: given twice"
    if headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        return 415, "Unsupported media type", "Content-Encoding: bodies are taken as they are"
    if headers.get("Transfer-Encoding", "chunked").strip().lower() != "chunked":
        return 400, "Bad request", "Transfer-Encoding: only chunked is taken"
    try:
        request[MEDIA] = media_of(headers.get("Content-Type", ""))
    except UnsupportedMedia as error:
        return 415, "Unsupported media type", str(error)
    if (request.content_length or 0) > MAX_BODY:
        return 413, "Content too large", f"at most {MAX_BODY} bytes are taken"
    try:
        address_of(request)
    except InputError as error:
        # Liveness probes may bypass the proxy: they get no details.
        if request.path not in NO_ADDRESS:
            return 400, "Bad request", str(error)
    return None


def _is_text(value: str) -> bool:
    """Whether the bytes on the wire were UTF-8 (others arrive as lone surrogates)."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


async def take_body(request: web.Request, known: bool) -> None:
    """Read the body in advance, so that handlers find it read.

    Args:
        request: the request whose body to read.
        known: whether the sender is known.

    Raises:
        web.HTTPRequestEntityTooLarge, web.HTTPLengthRequired: by its headers, or on reading it.
        web.HTTPRequestTimeout: it did not arrive in time.
    """
    if not request.can_read_body:
        return
    if not known:
        if request.content_length is None:
            raise web.HTTPLengthRequired(text="send Content-Length")
        if request.content_length > MAX_BODY_OF_NOBODY:
            raise web.HTTPRequestEntityTooLarge(
                MAX_BODY_OF_NOBODY, text=f"at most {MAX_BODY_OF_NOBODY} bytes are taken"
            )
    try:
        async with asyncio.timeout(BODY_S):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not come within {BODY_S:g} s") from None


async def form_of(request: web.Request) -> MultiDictProxy[str]:
    """The form of a request; empty if it sent another kind of body.

    Raises:
        web.HTTPUnsupportedMediaType: it has a file, or a part that is not text in UTF-8.
        web.HTTPBadRequest: it can't be parsed.
    """
    known: MultiDictProxy[str] | None = request.get(_FORM)
    if known is not None:
        return known
    try:
        fields = fields_of(request.get(MEDIA) or media_of(request.headers.get("Content-Type", "")),
                           await request.read())  # fmt: skip
    except UnsupportedMedia as error:
        raise web.HTTPUnsupportedMediaType(text=str(error)) from None
    except InputError as error:
        raise web.HTTPBadRequest(text=str(error)) from None
    form = MultiDictProxy(MultiDict(fields))
    request[_FORM] = form
    return form
