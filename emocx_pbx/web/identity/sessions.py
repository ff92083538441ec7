"""Sessions of browsers and the credentials of programs: who a request comes from.

A session is a random cookie; the store keeps its hash. The form token of a session is derived from the
cookie, so it need not be stored and changes with every login.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import structlog
from aiohttp import HttpVersion11, web

from emocx_pbx.deeds.deed import BeginSession, NoteUse
from emocx_pbx.deeds.logins import RefusedLogins
from emocx_pbx.errors import EmocxError, InputError, PeerUnavailable, StoreError
from emocx_pbx.settings.settings import HttpSettings, is_loopback
from emocx_pbx.store.account_rows import Actor, User
from emocx_pbx.store.audit import SERVICE
from emocx_pbx.web.identity.access import SCOPES
from emocx_pbx.web.identity.forwarded import client_address, is_in, networks
from emocx_pbx.web.identity.passwords import new_token, token_hash
from emocx_pbx.web.identity.throttle import Throttle
from emocx_pbx.web.parts import Parts, parts_of

log = structlog.get_logger()

#: Seconds between writes of a session's last use, at least.
TOUCH_S: Final = 60.0

SESSION: Final = "session"
FORM: Final = "form"
#: Kept by browsers that have logged in before: see `known_browser`.
KNOWN: Final = "known"
#: Seconds that browsers keep a cookie at most.
KNOWN_S: Final = 400 * 86_400.0

#: Paths where the client's address does not matter: liveness probes may bypass the proxy.
NO_ADDRESS: Final = frozenset({"/healthz", "/readyz", "/metrics"})

THROTTLE: web.AppKey[Throttle] = web.AppKey("throttle", Throttle)
REFUSED: web.AppKey[RefusedLogins] = web.AppKey("refused_logins", RefusedLogins)
REFUSED_TOKENS: web.AppKey[RefusedLogins] = web.AppKey("refused_tokens", RefusedLogins)


class TooManyTries(EmocxError):
    """Too many attempts; wait."""

    def __init__(self, message: str, wait_s: float) -> None:
        super().__init__(message)
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a request comes from."""

    user: User | None = None
    session: str = ""
    """The session's cookie; empty without one."""
    scopes: frozenset[str] = frozenset()
    """What an API token allows."""
    token_name: str = ""
    token_id: str = ""
    """Id of a stored token; empty for the settings' token and for programs on this machine."""


NOBODY: Final = Visitor()

VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", Visitor)
NEW_SEED: web.RequestKey[str] = web.RequestKey("new_seed", str)
"""What the form token of a browser without a session is derived from; sent along as the form cookie."""


def visitor_of(request: web.Request) -> Visitor:
    """Who a request comes from, as the authentication found."""
    found: Visitor = request.get(VISITOR, NOBODY)
    return found


def user_of(request: web.Request) -> User:
    """The logged-in user, in handlers that are for users only."""
    user = visitor_of(request).user
    if user is None:
        raise web.HTTPUnauthorized(text="log in first")
    return user


def actor_of(request: web.Request) -> Actor:
    """The author that the audit log names for a request."""
    visitor = visitor_of(request)
    name = visitor.user.name if visitor.user else f"token {visitor.token_name}" if visitor.token_name else "-"
    return Actor(name, address_of(request))


def address_of(request: web.Request) -> str:
    """The client's address; behind proxies of ours, the one that the outermost of them saw.

    Raises:
        InputError: a proxy does not say who it forwards for.
    """
    peer = request.remote or "unknown"
    http = parts_of(request).settings.http
    if not http.behind_proxy:
        return peer
    try:
        return client_address(
            peer, request.headers.getall("X-Forwarded-For", ()), networks(http.trusted_proxies)
        )
    except InputError:
        if request.path in NO_ADDRESS:
            return "unknown"
        raise


def is_secure(http: HttpSettings) -> bool:
    """Whether browsers reach us by https."""
    return bool(http.tls_cert) or http.behind_proxy


def cookie_name(kind: str, http: HttpSettings) -> str:
    """Under https the name's prefix keeps other hosts of the domain from setting it."""
    return f"__Host-emocx-{kind}" if is_secure(http) else f"emocx-{kind}"


def set_cookie(
    response: web.StreamResponse, http: HttpSettings, kind: str, value: str, age_s: float | None
) -> None:
    """Set one of our cookies; without a value, remove it."""
    if not value:
        response.del_cookie(cookie_name(kind, http), path="/", secure=is_secure(http), httponly=True)
        return
    response.set_cookie(
        cookie_name(kind, http), value, max_age=int(age_s) if age_s else None, path="/", httponly=True,
        secure=is_secure(http), samesite="Lax",
    )  # fmt: skip


def known_browser(request: web.Request, user: User | None, password_hash: str | None) -> str:
    """What identifies a browser that has logged in as this user before; empty: it has not.

    The cookie is a random text with its MAC under the hash of the user's password: nothing needs to be
    stored, and a new password makes all of them void.
    """
    given = request.cookies.get(cookie_name(KNOWN, parts_of(request).settings.http), "")
    random, _, mac = given.partition(".")
    if user is None or not password_hash or not mac:
        return ""
    expected = _known_mac(user, password_hash, random)
    return random[:64] if hmac.compare_digest(mac.encode(), expected.encode()) else ""


def remember_browser(
    request: web.Request, response: web.StreamResponse, user: User, password_hash: str
) -> None:
    """Let this browser log in again, whatever others try with the user's name."""
    if not known_browser(request, user, password_hash):
        random = new_token()
        value = f"{random}.{_known_mac(user, password_hash, random)}"
        set_cookie(response, parts_of(request).settings.http, KNOWN, value, KNOWN_S)


def _known_mac(user: User, password_hash: str, random: str) -> str:
    return hmac.new(
        password_hash.encode(), f"emocx known {user.user_id} {random}".encode(), "sha256"
    ).hexdigest()


async def identify(request: web.Request) -> Visitor:
    """Who a request comes from: a bearer token, else a session, else (on loopback, as set) this machine."""
    parts = parts_of(request)
    kind, _, given = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return await _by_token(given.strip(), request)
    cookie = request.cookies.get(cookie_name(SESSION, parts.settings.http), "")
    if cookie and (user := await session_user(cookie, parts)):
        return Visitor(user, cookie)
    http = parts.settings.http
    if request.path.startswith("/api/") and http.open_to_this_machine and from_this_machine(request):
        return Visitor(scopes=frozenset(SCOPES), token_name="this machine")
    return NOBODY


async def session_user(cookie: str, parts: Parts) -> User | None:
    """The user of a session that is still valid; notes its use. A long feed checks it now and then."""
    http, now, accounts = parts.settings.http, parts.now(), parts.store.accounts
    found = await accounts.session(token_hash(cookie), now - http.session_idle_s, now - http.session_max_s)
    if found is None:
        return None
    user, seen = found
    if now - seen.last_seen_at > TOUCH_S:
        await _note_use(parts, NoteUse(session_hash=token_hash(cookie)))
    return user


async def _note_use(parts: Parts, used: NoteUse) -> None:
    try:
        await parts.deeds.do(used, SERVICE)
    except (PeerUnavailable, StoreError) as error:
        # It only matters for lists and for ending idle sessions: the next request notes it again.
        log.warning("use not recorded", key="session.unnoted", why=str(error))


async def begin(request: web.Request, response: web.StreamResponse, user: User) -> None:
    """Log a user in: start a session, and end this browser's old one."""
    parts = parts_of(request)
    http, by = parts.settings.http, Actor(user.name, address_of(request))
    old, cookie = visitor_of(request).session, new_token()
    agent = request.headers.get("User-Agent", "").encode("utf-8", "replace").decode()
    begun = BeginSession(token_hash(cookie), user.user_id, by.address, agent, token_hash(old) if old else "")
    await parts.deeds.do(begun, by)
    set_cookie(response, http, SESSION, cookie, http.session_max_s)
    set_cookie(response, http, FORM, "", None)


def form_token(seed: str) -> str:
    """The token that forms carry, derived from the session's cookie or, before login, from the form
    cookie.
    """
    return hashlib.sha256(b"emocx form\0" + seed.encode()).hexdigest() if seed else ""


def form_seed(request: web.Request) -> str:
    """What the request's form token is derived from; for a browser without cookies a new seed."""
    visitor = visitor_of(request)
    if visitor.session:
        return visitor.session
    known = request.cookies.get(cookie_name(FORM, parts_of(request).settings.http), "")
    if not known:
        known = request.get(NEW_SEED) or new_token()
        request[NEW_SEED] = known
    return known


def form_token_fits(request: web.Request, given: str) -> bool:
    """Whether a change carries the token of the page it comes from."""
    seed = visitor_of(request).session or request.cookies.get(
        cookie_name(FORM, parts_of(request).settings.http), ""
    )
    return bool(seed) and hmac.compare_digest(form_token(seed).encode(), given.encode())


def same_site(request: web.Request) -> bool:
    """Whether a browser sent a request from one of our own pages; true for programs, which don't say."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    if origin is None:
        return True
    http = parts_of(request).settings.http
    hosts = {request.host.lower(), _host_of(http.public_url)}
    if http.behind_proxy and is_in(request.remote or "", networks(http.trusted_proxies)):
        hosts.add(request.headers.get("X-Forwarded-Host", "").lower())
    return bool(origin) and _host_of(origin) in hosts - {""}


def _host_of(url: str) -> str:
    """Host and port of an address; empty if it is not one."""
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def from_this_machine(request: web.Request) -> bool:
    """Whether a program on this machine makes a request for itself: not a browser, and not a proxy for
    others.
    """
    return _is_here(request) and not any(name in request.headers for name in ("Origin", "Sec-Fetch-Site"))


def someone_here(request: web.Request) -> bool:
    """Whether the request is from this machine, including from a browser, or through a proxy that we know."""
    http = parts_of(request).settings.http
    if http.behind_proxy and is_in(request.remote or "", networks(http.trusted_proxies)):
        return is_loopback(address_of(request))
    return _is_here(request)


def _is_here(request: web.Request) -> bool:
    if request.version < HttpVersion11:
        return False  # what nginx uses towards servers behind it by default
    try:
        host = urlsplit(f"//{request.host}").hostname or ""
        address = address_of(request)
    except (ValueError, InputError):
        return False
    for_others = {"Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-IP"}
    return (
        is_loopback(address) and is_loopback(host) and not any(name in request.headers for name in for_others)
    )


async def _by_token(given: str, request: web.Request) -> Visitor:
    parts, throttle, hashed = parts_of(request), request.app[THROTTLE], token_hash(given)
    settings_token = parts.settings.http.api_token
    if settings_token and hmac.compare_digest(given.encode(), settings_token.encode()):
        return Visitor(scopes=frozenset(SCOPES), token_name="http.api_token")
    address = address_of(request)
    if wait := throttle.token_wait_s(hashed, address):
        await request.app[REFUSED_TOKENS].note(None, address, "throttled")
        raise TooManyTries("too many wrong tokens from this address", wait)
    token = await parts.store.accounts.valid_api_token(hashed)
    throttle.token_was(token is not None, hashed, address)
    if token is None:
        await request.app[REFUSED_TOKENS].note(None, address, "token")
        return NOBODY
    used = token.last_used_at
    if used is None or parts.now() - used > TOUCH_S:
        await _note_use(parts, NoteUse(token_id=token.token_id))
    return Visitor(scopes=frozenset(token.scopes), token_name=token.name, token_id=token.token_id)
