"""Calls that asked for a decision and have not joined a queue yet: bounded, and dropped if they do not exist.

Anybody who reaches the FastAGI port can name a call. One that Asterisk does not know is dropped after a
minute; a caller who really is waiting in a menu is kept.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from emocx_pbx.call_ids import uniqueid_of
from emocx_pbx.errors import PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.pbx.ami.ami import Ami

log = structlog.get_logger()

#: Calls waiting to join at once; the next one is refused, and the dialplan's default stands.
MOST: Final = 2_000
#: Seconds after which Asterisk is asked about a call that has not joined.
KEEP_S: Final = 60.0
#: Seconds between two checks.
SWEEP_S: Final = 5.0
#: Calls asked about in one check: AMI has other things to do as well.
AT_ONCE: Final = 20


class Joining(Protocol):
    """The part of the call tracker that is needed."""

    def is_to_join(self, call_id: str) -> bool:
        """Whether a call is known that has not joined a queue yet."""


@dataclass(slots=True)
class _Waiting:
    channel: str
    ask_at: float
    """When to ask about the call; postponed for as long as Asterisk knows the channel."""


class Announced:
    """The calls expected to join; the service runs `run`."""

    def __init__(
        self,
        ami: Ami,
        tracker: Joining,
        forget: Callable[[str], None],
        count: Callable[[str], None],
        now: Callable[[], float] = time.time,
        most: int = MOST,
    ) -> None:
        """Prepare.

        Args:
            ami: asked whether a channel exists.
            tracker: knows which calls have joined.
            forget: called to end a call that Asterisk does not know.
            count: adds one to a counter: calls_announced_crowded, calls_never_joined.
            now: Unix seconds.
            most: calls waiting at once.
        """
        self._ami, self._tracker, self._forget = ami, tracker, forget
        self._now, self._count, self._most = now, count, most
        self._waiting: dict[str, _Waiting] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, call_id: str, channel: str) -> None:
        """Expect a call; repeating this changes nothing.

        Raises:
            PeerUnavailable: too many are expected already.
        """
        if call_id in self._waiting:
            return
        if len(self._waiting) >= self._most:
            self._drop_joined()
        if len(self._waiting) >= self._most:
            self._count("calls_announced_crowded")
            raise PeerUnavailable(f"{self._most} calls have asked and not joined a queue")
        self._waiting[call_id] = _Waiting(channel, self._now() + KEEP_S)

    async def run(self) -> None:
        """Check the expected calls regularly, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Drop those that joined or hung up, and ask about those that are overdue."""
        self._drop_joined()
        now = self._now()
        overdue = [(call_id, w) for call_id, w in self._waiting.items() if w.ask_at <= now]
        for call_id, waiting in overdue[:AT_ONCE]:
            if await self._exists(call_id, waiting.channel):
                waiting.ask_at = now + KEEP_S
            elif self._waiting.pop(call_id, None) and self._tracker.is_to_join(call_id):
                log.warning("announced call never joined, forgotten", key="agi.never_joined", call_id=call_id)
                self._count("calls_never_joined")
                self._forget(call_id)

    def _drop_joined(self) -> None:
        for call_id in [call_id for call_id in self._waiting if not self._tracker.is_to_join(call_id)]:
            del self._waiting[call_id]

    async def _exists(self, call_id: str, channel: str) -> bool:
        """Whether Asterisk knows a channel with this id; also True while it can't be asked."""
        try:
            answer = await self._ami.action("Getvar", {"Channel": channel, "Variable": "UNIQUEID"})
        except (RefusedError, ProtocolError):
            return False
        except PeerUnavailable:
            return True
        return answer.headers.get("Value", "") in {uniqueid_of(call_id), ""}
