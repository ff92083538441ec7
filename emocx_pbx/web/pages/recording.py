"""A call's recording, if the site makes them and says where: found by a template, served in ranges."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from emocx_pbx.deeds.recordings import recording_path
from emocx_pbx.store.rows import CallDetail
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.shared import seen_call
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.playing import Player, cannot_play


async def playable(request: web.Request, detail: CallDetail) -> tuple[bool, str]:
    """Whether there is something to play; and if not, what to show instead."""
    path = await _found(request, detail)
    problem = cannot_play(path) if path is not None else None
    return path is not None and problem is None, problem or ""


async def _found(request: web.Request, detail: CallDetail) -> Path | None:
    settings = parts_of(request).settings
    if not settings.recordings.path or detail.call.ended_at is None:
        return None
    call = detail.call
    return await asyncio.to_thread(recording_path, settings.recordings.path, call.call_id, call.started_at)


def routes() -> list[web.RouteDef]:
    """Where it is."""
    player = Player()

    @allow("admin", "supervisor", "agent")
    async def recording(request: web.Request) -> web.StreamResponse:
        """The file in a form that browsers can play, or a range of it."""
        path = await _found(request, await seen_call(request))
        if path is None:
            raise web.HTTPNotFound
        return await player.answer(request, path)

    return [web.get("/calls/{call_id}/recording", recording)]
