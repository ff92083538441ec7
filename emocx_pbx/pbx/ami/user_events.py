"""UserEvents for whoever listens on Asterisk's manager interface: sent in order, never waited for."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.pbx.ami.ami import Ami

log = structlog.get_logger()

#: Events waiting to be sent; when full the newest is dropped and counted.
MAX_WAITING: Final = 200
#: An event that Asterisk has not taken by then is given up: late news of a live call misleads.
DEADLINE_S: Final = 2.0
#: Longest value; Asterisk's line holds 1024 bytes.
MAX_VALUE: Final = 240

_BREAKS = re.compile(r"[\x00-\x1f\x7f]+")


class UserEvents:
    """Sends UserEvents one after the other; `run` belongs to the service."""

    def __init__(self, ami: Ami, count: Callable[[str], None]) -> None:
        self._ami, self._count = ami, count
        self._queue: asyncio.Queue[tuple[str, Mapping[str, str]]] = asyncio.Queue(MAX_WAITING)
        self._refused = ""

    def tell(self, name: str, fields: Mapping[str, str]) -> None:
        """Send it soon, at most once."""
        try:
            self._queue.put_nowait((name, fields))
        except asyncio.QueueFull:
            self._count("user_events_lost")

    async def run(self) -> None:
        """Send the queued events, until cancelled."""
        while True:
            name, fields = await self._queue.get()
            headers: dict[str, str | list[str]] = {"UserEvent": name}
            headers |= {key: _BREAKS.sub(" ", value)[:MAX_VALUE] for key, value in fields.items()}
            try:
                await self._ami.action("UserEvent", headers, DEADLINE_S)
            except (PeerUnavailable, ProtocolError):
                self._count("user_events_lost")
            except RefusedError as error:
                self._count("user_events_lost")
                if str(error) != self._refused:
                    log.warning("Asterisk refuses events", key="user_event.refused", why=str(error))
                    self._refused = str(error)
