"""Connections to a private NATS server, and waiting for what comes."""

from __future__ import annotations

from boxes import DEADLINE_S, Box

from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.message import Message


class Said(Message, frozen=True):
    """A message of these tests."""

    number: int


class States(Box):
    """Whether a connection is up."""

    def observed(self, up: bool, why: str) -> None:
        self((up, why))

    async def be(self, up: bool) -> None:
        await self.until(lambda: self.found and self.found[-1][0] is up)


async def connected(url: str, states: States | None = None, **login: str) -> Bus:
    """A connection that is up."""
    bus = Bus(BusLogin((url,), **login), states.observed if states else lambda up, why: None)
    assert await bus.start(DEADLINE_S)
    return bus
