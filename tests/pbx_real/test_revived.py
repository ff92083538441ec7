"""The Asterisk of these tests survives its own crashes: one bug of Asterisk fails one test."""

from __future__ import annotations

import asyncio
import os
import signal

from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk


async def test_one_that_crashed_is_started_again_and_one_that_was_stopped_is_not(
    installation: Installation,
) -> None:
    async with PrivateAsterisk(installation) as pbx:
        sound = pbx.sounds / "speech.ulaw"
        sound.write_bytes(b"\xff" * 160)
        revivals = pbx.revivals()
        for _ in range(2):
            revival = asyncio.ensure_future(anext(revivals))
            await asyncio.sleep(0)
            os.kill(pbx.pid, signal.SIGSEGV)
            async with asyncio.timeout(60):
                status = await revival
            assert status != 0
            async with AmiProbe().connected(pbx.ami_port, "demo", pbx.secret):
                assert sound.exists()
        revival = asyncio.ensure_future(anext(revivals))
        await pbx.restart()
        assert not revival.done()
        revival.cancel()
