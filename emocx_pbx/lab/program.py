"""One of our commands that runs until it is stopped, as a child process: a worker, a door, a sender."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.lifetime import Started, with_us

_STOP_S: Final = 15.0


class Program(Started):
    """`async with Program(["worker"], config, folder / "worker.log")`: its log goes to that file."""

    def __init__(self, words: Sequence[str], config: Path, log: Path) -> None:
        self._words, self._config, self._log = tuple(words), config, log
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it."""
        words = with_us(sys.executable, "-m", "emocx_pbx.cli", *self._words, "--config", str(self._config))
        with self._log.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )

    async def stop(self) -> None:
        """End it in an orderly way; by force after 15 s."""
        if self._process is None or self._process.returncode is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await self._process.wait()
                return
        os.killpg(self._process.pid, signal.SIGKILL)
        await self._process.wait()

    async def listens(self, port: int, within_s: float = 60.0) -> None:
        """Wait until it accepts connections on 127.0.0.1.

        Raises:
            PeerUnavailable: it ended, or does not in time; says the end of its log.
        """
        try:
            async with asyncio.timeout(within_s):
                while self._process is not None and self._process.returncode is None:
                    with contextlib.suppress(OSError):
                        _, writer = await asyncio.open_connection("127.0.0.1", port)
                        writer.close()
                        return
                    await asyncio.sleep(0.05)
        except TimeoutError:
            pass
        raise PeerUnavailable(f"{self._words[0]} does not listen: {self.log()[-300:]}")

    def log(self) -> str:
        """What it has logged so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""
