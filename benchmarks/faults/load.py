"""Callers at a steady rate, light for the machine: each plays a recording and is hung up, or hangs up."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import time
from typing import Final

from benchmarks.faults.callers import Callers
from benchmarks.faults.truth import Truth
from emocx_pbx.errors import PeerUnavailable

QUERIES: Final = (
    "I have been charged twice and nobody answers, this is a scandal!",
    "What are your opening hours on Monday?",
    "I am sad to say that my parcel still has not come.",
    "Thank you so much, the new phone is wonderful!",
)
#: Shares of callers who want no analysis, and whom the agent hangs up.
OPTED_OUT: Final = 0.05
AGENT_ENDS: Final = 0.3
AGAIN_S: Final = 0.5
#: Whoever comes so late was held up by the machine, as everything else on it was.
STALL_S: Final = 1.0


class Load:
    """Calls `rate` times a second, each from 12 to 60 s or as told, until stopped."""

    def __init__(
        self, truth: Truth, rate: float, shortest_s: float, longest_s: float, chance: random.Random
    ) -> None:
        self._truth, self._rate, self._chance = truth, rate, chance
        self._shortest_s, self._longest_s = shortest_s, longest_s
        self._stopping = asyncio.Event()
        self.stalls: list[tuple[float, float]] = []
        """When the machine stood still (Unix seconds), and how long."""

    def stop(self) -> None:
        """No new calls."""
        self._stopping.set()

    async def run(self) -> None:
        """Call until stopped; returns when every call is over."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        async with asyncio.TaskGroup() as group:
            for number in itertools.count(1):
                group.create_task(self._call(number, random.Random(self._chance.random())))
                due += 1 / self._rate
                try:
                    async with asyncio.timeout_at(due):
                        await self._stopping.wait()
                    return
                except TimeoutError:
                    if (late := loop.time() - due) > STALL_S:
                        self.stalls.append((time.time() - late, late))

    async def _call(self, number: int, chance: random.Random) -> None:
        call_id = f"caller-{number}"
        loop = asyncio.get_running_loop()
        until = loop.time() + chance.uniform(self._shortest_s, self._longest_s)
        query, opted_out = chance.choice(QUERIES), chance.random() < OPTED_OUT
        agent_ends = chance.random() < AGENT_ENDS
        try:
            await self._truth.call(call_id, query, f"customer-{number}", opted_out)
        except PeerUnavailable:
            return  # nobody can call while Asterisk is down; if it took the order, the truth will see
        await asyncio.sleep(until - loop.time())
        while (caller := self._callers.of(call_id)) is not None and caller.ended is None:
            talks = [talk for talk in caller.talks if talk.ended is None]
            channel = talks[-1].channel if agent_ends and talks else caller.channel
            with contextlib.suppress(PeerUnavailable):
                await self._truth.hang_up(channel)
            # Whom the agent's end did not end, because it came in between.
            agent_ends = False
            await asyncio.sleep(AGAIN_S)

    @property
    def _callers(self) -> Callers:
        return self._truth.callers
