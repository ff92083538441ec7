"""A door, and a caller who asks it as Asterisk does."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from pbx.test_agi import Caller
from wire.nats_helpers import DEADLINE_S, States

from emocx_pbx.pbx.agi.server import AgiServer
from emocx_pbx.service.door import Door
from emocx_pbx.settings.settings import AgiSettings
from emocx_pbx.wire.bus import Bus, BusLogin

#: So long that whoever waits for it fails the test.
PATIENCE_S = 100.0


class AskedDoor:
    """A door with a connection to NATS; with `local`, the workers in that folder decide without it."""

    def __init__(self, url: str, local: Path | None = None) -> None:
        self.states = States()
        self.bus = Bus(BusLogin((url,)), self.states.observed)
        door = Door(self.bus, PATIENCE_S, local)
        self.server = AgiServer(AgiSettings(port=0, deadline_s=PATIENCE_S), door.answer)

    async def start(self, closing: AsyncExitStack) -> AskedDoor:
        """Serve, connected, until `closing` closes."""
        await self.server.start()
        closing.push_async_callback(self.server.stop)
        closing.push_async_callback(self.bus.close)
        assert await self.bus.start(DEADLINE_S)
        return self

    async def ask(
        self, path: str = "route", *args: str, uniqueid: str = "1.1", **variables: str
    ) -> dict[str, str]:
        """The caller's variables when the dialplan goes on."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        opening = f"agi_network: yes\nagi_network_script: {path}\nagi_uniqueid: {uniqueid}\n"
        opening += "agi_channel: PJSIP/a-1\n"
        opening += "".join(f"agi_arg_{i}: {arg}\n" for i, arg in enumerate(args, 1))
        writer.write(opening.encode() + b"\n")
        caller = Caller(reader, writer)
        caller.variables.update(variables)
        try:
            return await caller.play()
        finally:
            writer.close()
