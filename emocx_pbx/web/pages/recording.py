"""A call's recording, where the site makes one and says where: found by a template, played by ranges."""

from __future__ import annotations

import asyncio
import glob
import re
from datetime import UTC, datetime
from pathlib import Path

from aiohttp import web

from emocx_pbx.settings.recordings import fits_path, is_ambiguous
from emocx_pbx.store.rows import CallDetail
from emocx_pbx.web.identity.access import allow
from emocx_pbx.web.pages.shared import seen_call
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.playing import ENDINGS, Player, cannot_play


def recording_path(template: str, call_id: str, started_at: float) -> Path | None:
    """The recording's file, or None.

    Args:
        template: the setting recordings.path: `{call_id}`, `{year}`, `{month}`, `{day}` and `*` are filled.
        call_id: of the call.
        started_at: Unix seconds; the date is that of the server's zone.
    """
    if not template or not fits_path(call_id) or is_ambiguous(template):
        return None
    day = datetime.fromtimestamp(started_at, UTC).astimezone()
    pattern = template.format(
        call_id=glob.escape(call_id), year=f"{day:%Y}", month=f"{day:%m}", day=f"{day:%d}"
    )
    folder = folder_of(template)
    root = Path(folder).resolve()
    for found in sorted(Path(folder).glob(pattern.removeprefix(folder))):
        path = found.resolve()
        # A link out of the folder of recordings leads nowhere.
        if path.suffix.lower() in ENDINGS and path.is_relative_to(root) and path.is_file():
            return path
    return None


def folder_of(template: str) -> str:
    """The folder before anything is filled in, with its last slash; nothing outside it is ever served."""
    fixed = re.split(r"[{*?\[]", template, maxsplit=1)[0]
    return fixed[: fixed.rfind("/") + 1]


async def playable(request: web.Request, detail: CallDetail) -> tuple[bool, str]:
    """Whether there is something to play; and if not, what there is instead."""
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
        """The file as browsers can play it, or a range of it."""
        path = await _found(request, await seen_call(request))
        if path is None:
            raise web.HTTPNotFound
        return await player.answer(request, path)

    return [web.get("/calls/{call_id}/recording", recording)]
