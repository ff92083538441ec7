"""How API handlers read requests and answer: typed input, JSON output with an ETag, places as cursors."""

from __future__ import annotations

import base64
import hashlib
import math
from typing import Any, Final, TypeVar

import msgspec
from aiohttp import web

from emocx_pbx.errors import InputError
from emocx_pbx.store.list_rows import ListPosition
from emocx_pbx.store.searching import Page
from emocx_pbx.web.v1.shapes_in import EARLIER

S = TypeVar("S")

#: Largest page of a list.
MAX_LIMIT: Final = 200
_DIGEST_BYTES: Final = 12


def query_of(request: web.Request, kind: type[S]) -> S:
    """The query parameters as a Struct.

    Raises:
        InputError: one is unknown, given twice, or of the wrong type.
    """
    given: dict[str, str] = {}
    for name, value in request.query.items():
        if name in given:
            raise InputError(f"query: {name}: given twice")
        if "\x00" in value:
            raise InputError(f"query: {name}: contains a NUL")
        given[name] = value
    for name, earlier in EARLIER.items():
        if earlier in given and name in getattr(kind, "__struct_fields__", ()):
            if name in given:
                raise InputError(f"query: {earlier}: the earlier name of {name}, which is given, too")
            given[name] = given.pop(earlier)
    try:
        query = msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"query: {_plain(error)}") from None
    for name, value in given.items():
        if getattr(query, name) is None:  # msgspec takes the text null for it
            raise InputError(f"query: {name}: {value!r} does not fit")
    return query


async def body_of(request: web.Request, kind: type[S]) -> S:
    """The JSON body as a Struct.

    Raises:
        web.HTTPBadRequest, web.HTTPUnsupportedMediaType: it is not JSON.
        InputError: it is JSON of another shape.
    """
    if request.content_type != "application/json":
        raise web.HTTPUnsupportedMediaType(text="send application/json")
    raw = await request.read()
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError as error:
        raise InputError(f"body: {_plain(error)}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise web.HTTPBadRequest(text=f"body: {error}") from None


def _plain(error: msgspec.ValidationError) -> str:
    text = str(error)
    what, at, where = text.partition(" - at `")
    return f"{where.rstrip('`').removeprefix('$.')}: {what[:1].lower()}{what[1:]}" if at else text


def json_answer(request: web.Request, value: Any, status: int = 200) -> web.Response:
    """A value as JSON; a GET's answer has an ETag, and is a 304 if the client has just that version."""
    body = msgspec.json.encode(value)
    if request.method not in {"GET", "HEAD"} or status != 200:
        return web.Response(body=body, status=status, content_type="application/json")
    tag = f'"{hashlib.blake2b(body, digest_size=_DIGEST_BYTES).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
    if _has(request.headers.get("If-None-Match", ""), tag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _has(if_none_match: str, tag: str) -> bool:
    known = {part.strip().removeprefix("W/") for part in if_none_match.split(",")}
    return "*" in known or tag in known


def cursor_of(place: ListPosition) -> str:
    """A place as an opaque cursor for clients."""
    packed = msgspec.msgpack.encode((place.at, place.key, place.number))
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def next_of(page: Page[Any]) -> str | None:
    """The cursor of the next page; None: there is none."""
    return cursor_of(page.next) if page.next else None


def place_of(cursor: str | None) -> ListPosition:
    """The place that a cursor stands for; without one, the beginning.

    Raises:
        InputError: it was not made by `cursor_of`.
    """
    if cursor is None:
        return ListPosition()
    try:
        packed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, key, number = msgspec.msgpack.decode(packed, type=tuple[float, str, int])
        if math.isfinite(at) and abs(number) < 2**63:
            return ListPosition(at, key, number)
    except (msgspec.DecodeError, ValueError, RecursionError):
        pass
    raise InputError("query: cursor: not one of ours; begin without it")
