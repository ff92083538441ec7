"""Static files: served under a name that changes with their content, so that browsers may keep them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

from emocx_pbx.web.identity.access import public

FOLDER: Final = Path(__file__).parent / "static"
#: Cache-Control of a file: browsers keep it for a year, as a changed file gets another address.
KEEP: Final = "public, max-age=31536000, immutable"

_TYPES: Final = {
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webmanifest": "application/manifest+json",
}


@cache
def digests() -> Mapping[str, str]:
    """Each file's path under static/ with the beginning of its SHA-256; other files are not served."""
    return {
        path.relative_to(FOLDER).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        for path in sorted(FOLDER.rglob("*"))
        if path.suffix in _TYPES
    }


def asset(name: str) -> str:
    """The address of a static file, for templates.

    Raises:
        KeyError: there is no such file.
    """
    return f"/static/{name}?v={digests()[name]}"


@public
async def static(request: web.Request) -> web.StreamResponse:
    """One of our files."""
    name = request.match_info["name"]
    digest = digests().get(name)
    if digest is None:
        raise web.HTTPNotFound
    path = FOLDER / name
    kept = KEEP if request.query.get("v") == digest else "no-cache"
    return web.FileResponse(
        path, headers={"Content-Type": f"{_TYPES[path.suffix]}; charset=utf-8", "Cache-Control": kept}
    )


def routes() -> list[web.RouteDef]:
    """Where static files are."""
    return [web.get("/static/{name:.+}", static)]
