"""Whose calls a request may see."""

from __future__ import annotations

from aiohttp import web

from emocx_pbx.web.identity.sessions import visitor_of


def only_agent(request: web.Request) -> str | None:
    """The agent to whose calls the visitor is restricted; None for those who see all."""
    user = visitor_of(request).user
    return (user.agent or "") if user is not None and user.role == "agent" else None
