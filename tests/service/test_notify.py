"""What systemd is told: by a socket of the test's own in its place."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.service.notify import Supervisor

#: A socket, and its address as NOTIFY_SOCKET has it.
Systemd = tuple[socket.socket, str]


@pytest.fixture(params=["file", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Systemd]:
    name = str(tmp_path / "notify") if request.param == "file" else f"@emocx-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(name.replace("@", "\0", 1) if name.startswith("@") else name)
        heard.setblocking(False)
        yield heard, name


async def line(heard: socket.socket) -> str:
    return (await asyncio.get_running_loop().sock_recv(heard, 4096)).decode()


async def for_ever() -> None:
    await asyncio.Event().wait()


async def test_systemd_gets_heartbeats_and_changes(systemd: Systemd) -> None:
    heard, name = systemd
    words = ["asterisk: not connected yet"]
    forever = asyncio.create_task(for_ever(), name="ledger")
    telling = asyncio.create_task(Supervisor(name, 0.03).keep_telling(lambda: words[0], lambda: [forever]))
    try:
        got = [await line(heard) for _ in range(3)]
        assert got == ["WATCHDOG=1", "STATUS=asterisk: not connected yet", "WATCHDOG=1"]
        words[0] = "ready"
        while (said := await line(heard)) == "WATCHDOG=1":
            pass
        assert said == "STATUS=ready"
        # A part that only ended, without an error, would leave the service half dead.
        forever.cancel()
        words[0] = "still told"
        while (said := await line(heard)) == "WATCHDOG=1":
            pass
        assert said == "STATUS=still told"
        words[0] = "and again"
        assert await line(heard) == "STATUS=and again"
    finally:
        telling.cancel()


def test_nobody_who_listens_is_no_harm(tmp_path: Path) -> None:
    Supervisor().tell("READY=1")
    Supervisor(str(tmp_path / "gone")).tell("READY=1")


async def test_serve_says_ready_beats_and_says_that_it_stops(systemd: Systemd, tmp_path: Path) -> None:
    heard, name = systemd
    ports = {section: free_port() for section in ("asterisk", "agi", "http")}
    (tmp_path / "emocx.toml").write_text(
        "".join(f"[{section}]\nport = {port}\n" for section, port in ports.items())
        + '[analysis]\nbase_port = 0\nspeech_model = "off"\ntext_model = "off"\ntranscriber = "off"\n'
    )
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "EMOCX_ASTERISK_SECRET").write_text("from systemd\n")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "emocx_pbx.cli", "serve", "--config", str(tmp_path / "emocx.toml"),
        env={**os.environ, "NOTIFY_SOCKET": name, "WATCHDOG_USEC": "600000",
             "CREDENTIALS_DIRECTORY": str(credentials)},
        stdout=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            assert await line(heard) == "READY=1"
            # Doors listen by now.
            _, writer = await asyncio.open_connection("127.0.0.1", ports["agi"])
            writer.close()
            said = {await line(heard) for _ in range(3)}
            assert "WATCHDOG=1" in said
            assert any(words.startswith("STATUS=") and "asterisk: " in words for words in said)
            process.send_signal(signal.SIGTERM)
            while await line(heard) != "STOPPING=1":
                pass
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
