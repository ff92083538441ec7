"""A process of a cluster, such as `emocx-pbx worker` or `emocx-pbx door`, as a child of ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.host import THIS_MACHINE, Host
from emocx_pbx.lab.lifetime import Started

#: Seconds; models may be loading on a busy machine.
_READY_S: Final = 90.0
_STOP_S: Final = 10.0

Section = Mapping[str, Any] | Sequence[Mapping[str, Any]]


class NodeProcess(Started):
    """One such process; `says` waits until it has logged something."""

    def __init__(
        self,
        folder: Path,
        words: tuple[str, ...],
        settings: Mapping[str, Section],
        host: Host = THIS_MACHINE,
        program: Sequence[str] = (sys.executable, "-m", "emocx_pbx.cli"),
    ) -> None:
        """Prepare.

        Args:
            folder: for its settings and its log; must exist.
            words: the command and its arguments, such as `("worker",)`.
            settings: by section; a list for one that may occur several times, such as `asterisk`.
            host: where it runs.
            program: what to run; by default this environment's own version.
        """
        self.host, self.program = host, tuple(program)
        self._folder, self._words = folder, words
        tables = []
        sections: dict[str, Section] = {**settings, "log": {"format": "json"}}
        for section, values in sections.items():
            alone = isinstance(values, Mapping)
            for one in (values,) if isinstance(values, Mapping) else values:
                head = f"[{section}]" if alone else f"[[{section}]]"
                tables.append("\n".join([head, *(f"{k} = {json.dumps(v)}" for k, v in one.items())]))
        self.config.write_text("\n\n".join(tables) + "\n", encoding="utf-8")
        self._process: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        """Its settings file."""
        return self._folder / "node.toml"

    async def start(self) -> None:
        """Start it."""
        words = [*self.program, *self._words, "--config", str(self.config)]
        if shutil.which("setpriv"):
            words = ["setpriv", "--pdeathsig", "KILL", "--", *words]
        words = [*self.host.enter(), *words]
        with (self._folder / "node.log").open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )

    def log(self) -> str:
        """What it has logged so far: JSON lines."""
        path = self._folder / "node.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    async def says(self, key: str, deadline_s: float = _READY_S, times: int = 1) -> None:
        """Wait until it has logged a line with this key, this many times.

        Raises:
            PeerUnavailable: it ended, or did not in time.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while self._process is not None and self._process.returncode is None:
                    if self.log().count(f'"{key}"') >= times:
                        return
                    await asyncio.sleep(0.05)
        raise PeerUnavailable(f"{' '.join(self._words)} did not say {key}: {self.log()[-500:]}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it and to all of its own processes."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    async def kill(self) -> None:
        """End it as a crash would."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        """End it in an orderly way; by force after 10 s."""
        process = self._process
        if process is None:
            return
        self.signal(signal.SIGCONT)
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        await self.kill()
