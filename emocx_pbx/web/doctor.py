"""What the check last found in this installation: run on request, and regularly by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
import structlog
from aiohttp import web

from emocx_pbx.check.finding import Finding
from emocx_pbx.check.process import findings_of
from emocx_pbx.errors import EmocxError
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings

log = structlog.get_logger()

#: Seconds to wait after a start: models load, and the link to Asterisk comes up.
FIRST_S: Final = 60.0

Check = Callable[[Settings, bool], Awaitable[Sequence[Finding]]]


@dataclass(slots=True)
class Doctor:
    """What the check last found; one runs at a time, and requests made meanwhile get the same answer."""

    in_force: SettingsInForce
    now: Callable[[], float]
    """Unix seconds."""
    check: Check = field(default=findings_of)
    at: float | None = None
    findings: tuple[Finding, ...] = ()
    _running: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def look(self, tap: bool = True) -> None:
        """Run the check; `tap`: with a tapped test call, which a person waits for.

        Raises:
            PeerUnavailable: it did not end in time, or without an answer.
        """
        waited = self._running.locked()
        async with self._running:
            if not waited:
                self.findings = tuple(await self.check(self.in_force.settings, tap))
                self.at = self.now()

    async def keep_looking(self) -> None:
        """Run the check every http.check_minutes, without a tap; never ends, whatever the check does."""
        await asyncio.sleep(FIRST_S)
        while True:
            minutes = self.in_force.settings.http.check_minutes
            if minutes:
                try:
                    await self.look(tap=False)
                except (EmocxError, OSError) as error:
                    log.warning("the check did not finish", key="doctor.failed", why=str(error))
            await asyncio.sleep(60.0 * (minutes or 1))

    def amiss(self) -> list[Finding]:
        """The findings that are not in order, the worst first."""
        order = {"fail": 0, "warn": 1}
        return sorted((f for f in self.findings if f.level in order), key=lambda f: order[f.level])

    def report(self) -> dict[str, Any]:
        """For programs: when the check ran, and what is not in order."""
        return {"checked_at": self.at, "findings": msgspec.to_builtins(self.amiss())}


DOCTOR: web.AppKey[Doctor] = web.AppKey("doctor", Doctor)
