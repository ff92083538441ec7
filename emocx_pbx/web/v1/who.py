"""Whose calls a request may see."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.store.list_rows import Team
from emocx_pbx.web.identity.sessions import visitor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.seen import own_of, team_of


def only_agent(request: web.Request) -> str | None:
    """The agent to whose calls the visitor is restricted; None for those who see all."""
    return own_of(visitor_of(request).user)


def only_queues(request: web.Request) -> Team:
    """The queues to whose calls the visitor is restricted; None for those who see all, as API tokens do."""
    return team_of(visitor_of(request).user)


async def must_see(request: web.Request, call_id: str) -> None:
    """Refuse to change a call that the visitor may not see; one that is not there is left to the deed.

    Raises:
        web.HTTPNotFound: it is not theirs.
    """
    team = only_queues(request)
    if team is not None and await parts_of(request).store.lists.call(call_id, team=team) is None:
        raise web.HTTPNotFound(text="no such call")
