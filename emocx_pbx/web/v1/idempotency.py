"""POST requests that may be repeated: with an Idempotency-Key the same request gets the same answer."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import re
from typing import Final

from aiohttp import web

from emocx_pbx.deeds.deed import ClaimKey, KeepAnswer, ReleaseKey
from emocx_pbx.errors import InputError, OutcomeUnknown
from emocx_pbx.web.identity.sessions import actor_of, visitor_of
from emocx_pbx.web.parts import parts_of
from emocx_pbx.web.v1.table import Handler

HEADER: Final = "Idempotency-Key"
#: For the OpenAPI document.
HEADERS: Final = {
    HEADER: "Any text of yours, 1 to 255 visible ASCII characters; repeats within 24 h are answered alike."
}
#: Header of an answer that was given before.
REPLAYED: Final = "Idempotent-Replayed"

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")


def idempotent(handler: Handler) -> Handler:
    """A handler whose answers are kept by the key that the client sent, if it sent one.

    Only successes are kept: what failed may be tried again with the same key.
    """

    @functools.wraps(handler)
    async def wrapped(request: web.Request) -> web.StreamResponse:
        key = request.headers.get(HEADER)
        if key is None:
            return await handler(request)
        if not _KEY.fullmatch(key):
            raise InputError(f"{HEADER}: expected 1 to 255 visible ASCII characters")
        visitor, deeds, by = visitor_of(request), parts_of(request).deeds, actor_of(request)
        who = (
            f"user {visitor.user.user_id}"
            if visitor.user
            else f"token {visitor.token_id or visitor.token_name}"
        )
        claim = await deeds.do(ClaimKey(who, key, await _hash(request)), by)
        if claim.state == "other":
            raise web.HTTPConflict(text=f"{HEADER}: was used for another request within the last 24 hours")
        if claim.state == "busy":
            raise web.HTTPConflict(text=f"{HEADER}: that request is still being worked on")
        if claim.state == "known":
            return web.Response(
                body=claim.body,
                status=claim.status,
                content_type="application/json",
                headers={REPLAYED: "true"},
            )
        try:
            answer = await handler(request)
        except (OutcomeUnknown, asyncio.CancelledError):
            # It may still be done: a repetition is answered "being worked on" and does not do it twice.
            raise
        except BaseException:
            await deeds.do(ReleaseKey(who, key), by)
            raise
        assert isinstance(answer, web.Response) and isinstance(answer.body, bytes)
        await deeds.do(KeepAnswer(who, key, answer.status, answer.body), by)
        return answer

    return wrapped


async def _hash(request: web.Request) -> str:
    whole = hashlib.sha256(f"{request.method} {request.path}\n".encode())
    whole.update(await request.read())
    return whole.hexdigest()
