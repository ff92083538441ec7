"""The controller's HTTP app: its middlewares, and the routes that each area names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import structlog
from aiohttp import web

from emocx_pbx.check.process import findings_of
from emocx_pbx.deeds.deed import NoteRefusal
from emocx_pbx.deeds.logins import Note, RefusedLogins
from emocx_pbx.errors import PeerUnavailable, StoreError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.web import admin, assets, chat, pages
from emocx_pbx.web.call_paths import with_call_ids
from emocx_pbx.web.doctor import DOCTOR, Check, Doctor
from emocx_pbx.web.guards import MAX_BODY, bounded
from emocx_pbx.web.identity import account
from emocx_pbx.web.identity.account import PASSWORDS
from emocx_pbx.web.identity.passwords import Passwords
from emocx_pbx.web.identity.sessions import REFUSED, REFUSED_TOKENS, THROTTLE
from emocx_pbx.web.identity.throttle import Throttle
from emocx_pbx.web.limited import LIMITS, clocked, limited, rate_headers
from emocx_pbx.web.middlewares import errors, guard, secure_headers
from emocx_pbx.web.parts import PARTS, Parts
from emocx_pbx.web.v1.feeds import FEEDS, Feeds
from emocx_pbx.web.v1.limits import RateLimits
from emocx_pbx.web.v1.reviews import add_player
from emocx_pbx.web.v1.routes import routes as v1_routes

log = structlog.get_logger()

#: Each area names its own routes.
AREAS: tuple[Callable[[], list[web.RouteDef]], ...] = (
    v1_routes,
    assets.routes,
    account.routes,
    pages.routes,
    admin.routes,
    chat.routes,
)


def _noting(parts: Parts, action: Literal["session.refused", "token.refused"]) -> Note:
    async def note(subject: str, facts: dict[str, str | int], by: Actor) -> None:
        try:
            await parts.deeds.do(NoteRefusal(action, subject, facts), by)
        except (PeerUnavailable, StoreError) as error:
            # A refused client gets the refusal all the same.
            log.error("refusal not in the audit log", key="audit.unnoted", action=action, why=str(error))

    return note


def create_app(
    parts: Parts, passwords: Passwords | None = None, check: Check = findings_of
) -> web.Application:
    """The app over the controller's parts; `check` looks at the installation."""
    app = web.Application(middlewares=[clocked, errors, bounded, guard, limited], client_max_size=MAX_BODY)
    app[PARTS] = parts
    app[PASSWORDS] = passwords or Passwords()
    app[THROTTLE] = Throttle(parts.deeds, parts.now)
    app[REFUSED] = RefusedLogins(_noting(parts, "session.refused"), parts.now)
    app[REFUSED_TOKENS] = RefusedLogins(_noting(parts, "token.refused"), parts.now, "(unknown token)")
    app[LIMITS] = RateLimits(parts.settings.http.api_requests_per_minute)
    app[FEEDS] = Feeds(parts)
    add_player(app)
    app[DOCTOR] = Doctor(parts.in_force, parts.now, check)
    app.on_response_prepare.append(secure_headers)
    app.on_response_prepare.append(rate_headers)
    for routes in AREAS:
        app.add_routes(
            web.RouteDef(route.method, with_call_ids(route.path), route.handler, route.kwargs)
            for route in routes()
        )
    return app
