"""Refused logins in the audit log: those that tell something, and only a number of a flood."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog

#: Refusals that are listed one by one within WINDOW_S; of more only the number is noted.
LISTED: Final = 30
WINDOW_S: Final = 60.0


class RefusedLogins:
    """Notes refused logins; one for the service."""

    def __init__(self, audit: AuditLog, clock: Callable[[], float]) -> None:
        self._audit, self._clock = audit, clock
        self._began, self._listed, self._more = 0.0, 0, 0

    async def note(self, name: str | None, address: str, why: str) -> None:
        """Note one.

        Args:
            name: of the user; None: there is no such user, and what was typed there may be a password.
            address: of the client.
            why: e.g. "password", "disabled" or "throttled".
        """
        now = self._clock()
        if now - self._began >= WINDOW_S:
            more, self._began, self._listed, self._more = self._more, now, 0, 0
            if more:
                await self._audit.add(Actor("-", ""), "session.refused", "many", None, {"number": more})
        if self._listed >= LISTED:
            self._more += 1
            return
        self._listed += 1
        subject = name if name is not None else "(unknown name)"
        await self._audit.add(Actor("-", address), "session.refused", subject, None, {"why": why})
