"""Pages of the visitor's own account: login, logout, one-time links, password, sessions."""

from __future__ import annotations

import structlog
from aiohttp import web

from emocx_pbx.deeds.deed import EndOtherSessions, EndOwnSession, SetPassword, UseLink
from emocx_pbx.deeds.users import checked_name
from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import Actor, User
from emocx_pbx.web.guards import form_of
from emocx_pbx.web.identity.access import allow, public
from emocx_pbx.web.identity.passwords import SHORTEST, Passwords, token_hash
from emocx_pbx.web.identity.sessions import (
    REFUSED,
    SESSION,
    THROTTLE,
    actor_of,
    address_of,
    begin,
    known_browser,
    remember_browser,
    set_cookie,
    user_of,
    visitor_of,
)
from emocx_pbx.web.navigation import HOME
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.render import render, see_other
from emocx_pbx.web.strings import t

log = structlog.get_logger()

PASSWORDS: web.AppKey[Passwords] = web.AppKey("passwords", Passwords)


@allow("admin", "supervisor", "agent")
async def home(request: web.Request) -> web.StreamResponse:
    """Redirect to the first page of the visitor's role."""
    return see_other(HOME[user_of(request).role])


@public
async def login_form(request: web.Request) -> web.StreamResponse:
    """The login page."""
    if user := visitor_of(request).user:
        return see_other(HOME[user.role])
    first = not await parts_of(request).store.accounts.has_users()
    return render(
        request, "login.html", next=_local(request.query.get("next", "")), name="", problem="", first=first
    )


@public
async def login(request: web.Request) -> web.StreamResponse:
    """Name and password become a session; guesses are slowed down."""
    form = await form_of(request)
    name, password = str(form.get("name", "")).strip(), str(form.get("password", ""))
    parts, address, throttle = parts_of(request), address_of(request), request.app[THROTTLE]
    found = await parts.store.accounts.password_hash(name)
    user, kept = found if found else (None, None)
    browser = known_browser(request, user, kept)
    # Counted before the result is known: many attempts at the same moment must not all be tried.
    attempt = await throttle.begin(name, address, browser)
    if wait := attempt.wait_s:
        await request.app[REFUSED].note(None, address, "throttled")
        answer = _refused(request, 429, name, t("account.throttled", n=int(wait // 60) + 1))
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer
    fits = await request.app[PASSWORDS].matches(kept, password, known=bool(browser))
    if user is None or not fits or user.disabled_at is not None:
        log.warning("login refused", key="login.refused", address=address)
        why = "password" if user is None or not fits else "disabled"
        await request.app[REFUSED].note(user.name if user else None, address, why)
        return _refused(request, 401, name, t("account.wrong"))
    await throttle.fits(attempt)
    answer = see_other(_local(str(form.get("next", ""))) or HOME[user.role])
    await begin(request, answer, user)
    remember_browser(request, answer, user, kept or "")
    return answer


def _refused(request: web.Request, status: int, name: str, problem: str) -> web.Response:
    target = _local(str(request.query.get("next", "")))
    return render(request, "login.html", status=status, next=target, name=name, problem=problem, first=False)


@allow("admin", "supervisor", "agent")
async def logout(request: web.Request) -> web.StreamResponse:
    """Log out: the session ends here and in the store."""
    parts, visitor = parts_of(request), visitor_of(request)
    await parts.deeds.do(EndOwnSession(token_hash(visitor.session)), actor_of(request))
    answer = see_other("/login")
    set_cookie(answer, parts.settings.http, SESSION, "", None)
    return answer


@public
async def link_form(request: web.Request) -> web.StreamResponse:
    """The page of a one-time link; viewing it does not use it up."""
    link = await parts_of(request).store.accounts.link(token_hash(request.match_info["token"]))
    if link is None:
        raise web.HTTPGone(text=t("account.link_gone"))
    return render(request, "link.html", for_user=link.user, name="", problem="", shortest=SHORTEST)


@public
async def use_link(request: web.Request) -> web.StreamResponse:
    """Set the password of the link's user, or make the first administrator."""
    accounts = parts_of(request).store.accounts
    link = await accounts.link(token_hash(request.match_info["token"]))
    if link is None:
        raise web.HTTPGone(text=t("account.link_gone"))
    form = await form_of(request)
    given = str(form.get("name", ""))
    try:
        name = link.user.name if link.user else checked_name(given)
        password = _new_password(str(form.get("password", "")), str(form.get("again", "")))
        kept = await request.app[PASSWORDS].hash(password)
    except InputError as error:
        return render(
            request, "link.html", status=422, for_user=link.user, name=given, problem=str(error),
            shortest=SHORTEST,
        )  # fmt: skip
    used = UseLink(token_hash(request.match_info["token"]), name, kept)
    user = await parts_of(request).deeds.do(used, Actor(name, address_of(request)))
    answer = see_other(HOME[user.role] if user.role != "admin" else "/admin")
    await begin(request, answer, user)
    return answer


@allow("admin", "supervisor", "agent")
async def account(request: web.Request) -> web.StreamResponse:
    """The visitor's own account."""
    return await _account(request, 200, "", done=request.query.get("done", ""))


async def _account(request: web.Request, status: int, problem: str, done: str = "") -> web.Response:
    user, visitor = user_of(request), visitor_of(request)
    sessions = await parts_of(request).store.accounts.sessions_of(user.user_id)
    return render(
        request, "account.html", status=status, sessions=sessions, this=token_hash(visitor.session),
        problem=problem, done=done if done in {"password", "sessions"} else "", shortest=SHORTEST,
    )  # fmt: skip


@allow("admin", "supervisor", "agent")
async def change_password(request: web.Request) -> web.StreamResponse:
    """Set a new password, given the old one; all other sessions of the user end."""
    user, form = user_of(request), await form_of(request)
    parts, throttle, address = parts_of(request), request.app[THROTTLE], address_of(request)
    # Attempts of a logged-in user count for that session only: nobody else can lock the user out.
    browser = token_hash(visitor_of(request).session)
    attempt = await throttle.begin(user.name, address, browser)
    if attempt.wait_s:
        return await _account(request, 429, t("account.throttled", n=15))
    try:
        if not await _is_password(request, user, str(form.get("old", ""))):
            await request.app[REFUSED].note(user.name, address, "old password")
            raise InputError(t("account.old_wrong"))
        await throttle.fits(attempt)
        password = _new_password(str(form.get("password", "")), str(form.get("again", "")))
        kept = await request.app[PASSWORDS].hash(password)
    except InputError as error:
        return await _account(request, 422, str(error))
    await parts.deeds.do(
        SetPassword(user.user_id, kept, token_hash(visitor_of(request).session)), actor_of(request)
    )
    return see_other("/account?done=password")


@allow("admin", "supervisor", "agent")
async def end_other_sessions(request: web.Request) -> web.StreamResponse:
    """Log the user out everywhere else."""
    here = token_hash(visitor_of(request).session)
    await parts_of(request).deeds.do(EndOtherSessions(user_of(request).user_id, here), actor_of(request))
    return see_other("/account?done=sessions")


async def _is_password(request: web.Request, user: User, given: str) -> bool:
    found = await parts_of(request).store.accounts.password_hash(user.name)
    return await request.app[PASSWORDS].matches(found[1] if found else None, given, known=True)


def _new_password(given: str, again: str) -> str:
    if given != again:
        raise InputError(t("account.differ"))
    return given


def _local(target: str) -> str:
    """Where to go after login: only a path of ours, else empty."""
    fits = target.startswith("/") and not target.startswith("//") and "\\" not in target
    return target if fits and target.isprintable() else ""


def routes() -> list[web.RouteDef]:
    """Where these pages are."""
    return [
        web.get("/", home),
        web.get("/login", login_form),
        web.post("/login", login),
        web.post("/logout", logout),
        web.get("/link/{token}", link_form),
        web.post("/link/{token}", use_link),
        web.get("/account", account),
        web.post("/account/password", change_password),
        web.post("/account/sessions", end_other_sessions),
    ]
