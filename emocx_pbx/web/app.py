"""The controller's HTTP app: its middlewares, and the routes that each area names."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web

from emocx_pbx.web import account, admin, api, assets, chat, pages
from emocx_pbx.web.account import PASSWORDS, THROTTLE
from emocx_pbx.web.live_api import LiveApi
from emocx_pbx.web.middlewares import errors, guard, secure_headers
from emocx_pbx.web.parts import PARTS, Parts
from emocx_pbx.web.passwords import Passwords
from emocx_pbx.web.throttle import Throttle

#: Largest request body; a query is one or two sentences, a policy some pages.
MAX_BODY = 256 * 1024

#: Each area names its own routes.
AREAS: tuple[Callable[[], list[web.RouteDef]], ...] = (
    api.routes,
    assets.routes,
    account.routes,
    pages.routes,
    admin.routes,
    chat.routes,
)


def create_app(parts: Parts, passwords: Passwords | None = None) -> web.Application:
    """The app over the controller's parts."""
    app = web.Application(middlewares=[errors, guard], client_max_size=MAX_BODY)
    app[PARTS] = parts
    app[PASSWORDS] = passwords or Passwords()
    app[THROTTLE] = Throttle(parts.clock)
    app.on_response_prepare.append(secure_headers)
    for routes in AREAS:
        app.add_routes(routes())
    app.add_routes(LiveApi(parts.live).routes())
    return app
