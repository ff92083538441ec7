"""A web process that can't start, talks nonsense, is slow, or hangs."""

from __future__ import annotations

import asyncio
import fcntl
import sys
from pathlib import Path

import pytest
from service.web_world import World

from emocx_pbx.errors import SettingsError
from emocx_pbx.service import web_host as module
from emocx_pbx.wire import link as link_module
from emocx_pbx.wire.progress import ProcessProgress


async def test_a_port_that_is_taken_is_told_by_the_name_of_its_setting(world: World) -> None:
    taken = await asyncio.start_server(lambda r, w: None, "127.0.0.1", world.settings.http.port)
    try:
        await world.host().run(world.listening)
        with pytest.raises(SettingsError, match=r"http\.port: can't listen on 127\.0\.0\.1"):
            await world.listening
    finally:
        taken.close()
        await taken.wait_closed()


async def test_a_process_that_talks_nonsense_is_given_up(world: World, tmp_path: Path) -> None:
    script = tmp_path / "nonsense.py"
    script.write_text(
        "import socket, sys\n"
        "fd = int(sys.argv[sys.argv.index('--fd') + 1])\n"
        "socket.socket(fileno=fd).sendall(b'\\xff\\xff\\xff\\xff')\n"
    )
    await world.host(command=(sys.executable, str(script))).run(world.listening)
    with pytest.raises(SettingsError, match="sent an invalid message"):
        await world.listening


async def test_a_process_that_others_keep_from_the_core_at_its_start_is_waited_for(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_S", 0.02)
    monkeypatch.setattr(link_module, "SECOND_LOOK_S", 0.01)
    script, gate = tmp_path / "starved.py", tmp_path / "gate"
    script.write_text(
        "import fcntl, signal, socket, sys\n"
        "import msgspec\n"
        "from emocx_pbx.web.messages import Listening\n"
        "fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX)\n"
        "body = msgspec.msgpack.encode(Listening(4711))\n"
        "link = socket.socket(fileno=int(sys.argv[sys.argv.index('--fd') + 1]))\n"
        "link.sendall(len(body).to_bytes(4, 'big') + body)\n"
        "signal.pause()\n"
    )
    looks = 0
    with gate.open("w") as closed:
        fcntl.flock(closed, fcntl.LOCK_EX)

        def moved(progress: ProcessProgress) -> bool:
            nonlocal looks
            looks += 1
            if looks == 2 * module.FIRST_STARTS:
                fcntl.flock(closed, fcntl.LOCK_UN)
            return True

        monkeypatch.setattr(ProcessProgress, "moved", moved)
        host = world.host(command=(sys.executable, str(script), str(gate)))
        running = asyncio.create_task(host.run(world.listening))
        try:
            async with asyncio.timeout(60):
                assert await world.listening == 4711
            assert looks >= 2 * module.FIRST_STARTS
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


async def test_a_process_that_hangs_at_first_is_started_again(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "START_S", 0.05)
    monkeypatch.setattr(module, "AGAIN_S", (0.0,))
    counted: list[str] = []
    monkeypatch.setattr(world.metrics, "count", lambda name, *labels: counted.append(name))
    script = tmp_path / "slow.py"
    script.write_text("import signal\nsignal.pause()\n")
    await world.host(command=(sys.executable, str(script))).run(world.listening)
    with pytest.raises(SettingsError, match="silent"):
        await world.listening
    assert counted.count("web_restarts") == module.FIRST_STARTS - 1
