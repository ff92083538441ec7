"""What every request passes: errors become answers, visitors are admitted or refused, changes are checked."""

from __future__ import annotations

import math
import re
from typing import Final
from urllib.parse import quote

import structlog
from aiohttp import web

from emocx_pbx.dispatch.dialling import DiallingRefused
from emocx_pbx.errors import (
    EmocxError,
    InputError,
    NotAllowedError,
    NotFoundError,
    PeerUnavailable,
    RefusedError,
    StoreUnavailable,
)
from emocx_pbx.web.guards import Handler, form_of, take_body
from emocx_pbx.web.identity.access import FRAME_ANCESTORS, Access, access_of
from emocx_pbx.web.identity.passwords import Busy
from emocx_pbx.web.identity.sessions import (
    VISITOR,
    TooManyTries,
    form_token_fits,
    identify,
    is_secure,
    same_site,
    visitor_of,
)
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.problem import problem
from emocx_pbx.web.render import render, see_other
from emocx_pbx.web.strings import t

log = structlog.get_logger()

#: No scripts, styles or pictures but our own files; browsers refuse inline ones.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; media-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors {ancestors}"
)
#: Two years, as browsers' preload lists ask.
HSTS: Final = "max-age=63072000"

_PROGRAMS = re.compile(r"^/(api/|metrics$|healthz$|readyz$)")
#: Requests that change nothing.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


def failure(request: web.Request, status: int, title: str, detail: str) -> web.Response:
    """An error in the form for the client: a problem document, a fragment for htmx, or a page."""
    if _PROGRAMS.match(request.path):
        return problem(status, title, detail)
    template = "_error.html" if request.headers.get("HX-Request") else "error.html"
    return render(request, template, status=status, code=status, heading=title, detail=detail)


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns errors into answers; one of the outermost loops: a request must not fail silently."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        known = error.text if error.text and not error.text.startswith(f"{error.status}:") else ""
        answer = failure(request, error.status, error.reason, known or t(f"errors.e{error.status}", ""))
        for name in ("Allow", "Retry-After", "WWW-Authenticate"):
            if name in error.headers:
                answer.headers[name] = error.headers[name]
        return answer
    except TooManyTries as error:
        answer = failure(request, 429, "Too many requests", str(error))
        answer.headers["Retry-After"] = str(math.ceil(error.wait_s))
        return answer
    except Busy as error:
        answer = failure(request, 503, "Service unavailable", str(error))
        answer.headers["Retry-After"] = "5"
        return answer
    except NotFoundError as error:
        return failure(request, 404, "Not Found", str(error))
    except NotAllowedError as error:
        return failure(request, 403, "Forbidden", str(error))
    except DiallingRefused as error:
        answer = failure(request, 429 if error.wait_s else 422, "Not called", str(error))
        if error.wait_s:
            answer.headers["Retry-After"] = str(math.ceil(error.wait_s))
        return answer
    except InputError as error:
        return failure(request, 422, "Unprocessable content", str(error))
    except PeerUnavailable as error:
        return failure(request, 503, "Service unavailable", str(error))
    except RefusedError as error:
        return failure(request, 502, "Refused by Asterisk", str(error))
    except StoreUnavailable as error:
        parts_of(request).metrics.count("http_errors")
        log.error("request not stored", key="http.unstored", route=_route(request), why=str(error))
        return failure(request, 503, "Service unavailable", t("errors.e503"))
    except EmocxError as error:
        parts_of(request).metrics.count("http_errors")
        log.error("request failed", key="http.failed", route=_route(request), why=str(error))
        return failure(request, 500, "Internal error", t("errors.e500"))
    except Exception:
        parts_of(request).metrics.count("http_errors")
        log.exception("request failed", key="http.failed", route=_route(request))
        return failure(request, 500, "Internal error", t("errors.e500"))


def _route(request: web.Request) -> str:
    """The address without the values in it: a one-time link must not get into the log."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "(none)"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Admits those that the handler's mark names, and changes only from our own pages' forms."""
    if request.match_info.http_exception is not None:
        return await handler(request)  # to everybody, the page does not exist
    access = access_of(request)
    if not access.public or not request.path.startswith("/static/"):
        request[VISITOR] = await identify(request)
    if refusal := _refusal(request, access):
        return refusal
    visitor = visitor_of(request)
    await take_body(request, known=visitor.user is not None or bool(visitor.scopes))
    if request.method not in _SAFE and access.csrf and _by_browser(request, access):
        await _check_form(request)
    return await handler(request)


def _refusal(request: web.Request, access: Access) -> web.StreamResponse | None:
    visitor = visitor_of(request)
    if access.public or (access.scope and access.scope in visitor.scopes):
        return None
    if visitor.user is not None:
        if visitor.user.role in access.roles:
            return None
        return failure(request, 403, "Forbidden", t("errors.e403"))
    if visitor.scopes or visitor.token_name:
        return problem(403, "Forbidden", f"the token lacks the scope {access.scope or '(pages only)'}")
    if _PROGRAMS.match(request.path):
        answer = problem(401, "Unauthorized", "send `Authorization: Bearer <token>`")
        answer.headers["WWW-Authenticate"] = "Bearer"
        return answer
    if request.headers.get("HX-Request"):
        return web.Response(status=401, headers={"HX-Redirect": "/login"})
    if request.method not in _SAFE:
        return see_other("/login")
    return see_other(f"/login?next={quote(request.path_qs, safe='')}" if request.path != "/" else "/login")


def _by_browser(request: web.Request, access: Access) -> bool:
    """Programs with a token send no cookies, so nobody else's page can make them change anything."""
    return visitor_of(request).user is not None or access.public


async def _check_form(request: web.Request) -> None:
    given = request.headers.get("X-CSRF-Token", "")
    if not given:
        given = (await form_of(request)).get("csrf", "")
    if not same_site(request) or not form_token_fits(request, given):
        log.warning("change refused", key="http.forged", route=_route(request))
        raise web.HTTPForbidden(text=t("errors.form"))


async def secure_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Sets headers on every answer, including errors; a handler may let named sites frame its page
    (FRAME_ANCESTORS).
    """
    http = parts_of(request).settings.http
    ancestors = request.get(FRAME_ANCESTORS, "'none'")
    headers = response.headers
    headers.setdefault("Content-Security-Policy", POLICY.format(ancestors=ancestors))
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Referrer-Policy", "same-origin")
    headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    headers.setdefault("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
    headers.setdefault("Cache-Control", "no-store")
    if is_secure(http):
        headers.setdefault("Strict-Transport-Security", HSTS)
