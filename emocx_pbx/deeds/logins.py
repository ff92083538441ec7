"""Refused logins and tokens in the audit log: singly while they are few, only their number in a flood."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from emocx_pbx.store.account_rows import Actor

#: Refusals listed one by one within WINDOW_S seconds; beyond that only their number is noted.
LISTED: Final = 30
WINDOW_S: Final = 60.0

#: Writes one entry: who it is about, what happened, and from where.
Note = Callable[[str, dict[str, str | int], Actor], Awaitable[None]]


class RefusedLogins:
    """Limits what is noted; one for each kind of refusal."""

    def __init__(self, note: Note, now: Callable[[], float], nobody: str = "(unknown name)") -> None:
        """`nobody` is what is noted where no user is named."""
        self._note, self._now, self._nobody = note, now, nobody
        self._began, self._listed, self._more = 0.0, 0, 0

    async def note(self, name: str | None, address: str, why: str) -> None:
        """Note one refusal.

        Args:
            name: the user's; None: there is no such user, and what was typed may be a password.
            address: the client's.
            why: e.g. "password", "disabled", "token" or "throttled".
        """
        now = self._now()
        if now - self._began >= WINDOW_S:
            more, self._began, self._listed, self._more = self._more, now, 0, 0
            if more:
                await self._note("many", {"number": more}, Actor("-", ""))
        if self._listed >= LISTED:
            self._more += 1
            return
        self._listed += 1
        subject = name if name is not None else self._nobody
        await self._note(subject, {"why": why}, Actor("-", address))
