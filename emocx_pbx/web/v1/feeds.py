"""Who may go on watching the live feed: a few feeds each, and none after a session or token has ended."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from aiohttp import web

from emocx_pbx.errors import StoreError
from emocx_pbx.limits import place_of
from emocx_pbx.web.identity.passwords import token_hash
from emocx_pbx.web.identity.sessions import Visitor, address_of, session_user, visitor_of
from emocx_pbx.web.parts import Parts

#: Most feeds of one user or token at once: a few browsers with a few tabs each.
MOST_EACH: Final = 10
#: Seconds between checks of who may still watch; one check for all feeds.
CHECK_S: Final = 0.4
#: An open live view counts as use of its session.
USE_S: Final = 30.0


class Feeds:
    """The open feeds of one app."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._open: Counter[str] = Counter()
        self._living: frozenset[str] = frozenset()
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()

    @contextmanager
    def one_of(self, request: web.Request) -> Iterator[None]:
        """Count a feed while it is open.

        Raises:
            web.HTTPTooManyRequests: the same user, token or address has MOST_EACH.
        """
        visitor = visitor_of(request)
        who = (
            f"user {visitor.user.user_id}" if visitor.user
            else f"token {visitor.token_id}" if visitor.token_id
            else f"{visitor.token_name} {place_of(address_of(request))}"
        )  # fmt: skip
        if self._open[who] >= MOST_EACH:
            raise web.HTTPTooManyRequests(
                text=f"you have {MOST_EACH} live feeds open; close one",
                headers={"Retry-After": "10"},
            )
        self._open[who] += 1
        try:
            yield
        finally:
            self._open[who] -= 1
            self._open += Counter()  # drops those who have none

    async def until_over(self, visitor: Visitor) -> None:
        """Return when the visitor's session or token has ended, within a second."""
        held = token_hash(visitor.session) if visitor.session else visitor.token_id
        if not held:
            await asyncio.Event().wait()  # the settings' token ends with the service
        loop = asyncio.get_running_loop()
        used_at = loop.time()
        while await self._holds(held):
            await asyncio.sleep(CHECK_S)
            if visitor.session and loop.time() - used_at > USE_S:
                used_at = loop.time()
                await session_user(visitor.session, self._parts)

    async def _holds(self, held: str) -> bool:
        async with self._asking:
            at = asyncio.get_running_loop().time()
            if at - self._asked_at >= CHECK_S / 2:
                http, now = self._parts.settings.http, self._parts.now()
                try:
                    self._living = await self._parts.store.accounts.living(
                        now - http.session_idle_s, now - http.session_max_s
                    )
                except StoreError:
                    return True  # asked again at once
                self._asked_at = at
        return held in self._living


FEEDS: web.AppKey[Feeds] = web.AppKey("feeds", Feeds)


def feeds_of(request: web.Request) -> Feeds:
    """The app's feeds."""
    return request.app[FEEDS]
