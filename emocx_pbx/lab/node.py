"""A process of a cluster, `emocx-pbx worker` or `emocx-pbx door`, as a child of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from emocx_pbx.errors import PeerUnavailable

#: Models may load on a busy machine.
_READY_S: Final = 90.0
_STOP_S: Final = 10.0


class NodeProcess:
    """One of them; `says` tells when it logged something."""

    def __init__(
        self, folder: Path, words: tuple[str, ...], settings: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """Prepare.

        Args:
            folder: for its settings and its log; must exist.
            words: the command and its arguments, such as `("worker",)`.
            settings: by section.
        """
        self._folder, self._words = folder, words
        tables = [
            "\n".join([f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())])
            for section, values in {**settings, "log": {"format": "json"}}.items()
        ]
        self.config.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        """Its settings file."""
        return self._folder / "node.toml"

    async def __aenter__(self) -> NodeProcess:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start it."""
        words = [sys.executable, "-m", "emocx_pbx.cli", *self._words, "--config", str(self.config)]
        if shutil.which("setpriv"):
            words = ["setpriv", "--pdeathsig", "KILL", "--", *words]
        with (self._folder / "node.log").open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def log(self) -> str:
        """What it logged so far: JSON lines."""
        path = self._folder / "node.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def says(self, key: str, deadline_s: float = _READY_S) -> None:
        """Until it logged a line with this key.

        Raises:
            PeerUnavailable: it ended, or did not in time.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._process is not None and self._process.returncode is None:
                    if f'"{key}"' in self.log():
                        return
                    await asyncio.sleep(0.05)
        raise PeerUnavailable(f"{' '.join(self._words)} did not say {key}: {self.log()[-500:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(number)

    async def kill(self) -> None:
        """As a crash."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        """End it in order; by force after 10 s."""
        process = self._process
        if process is None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        await self.kill()
