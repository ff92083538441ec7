"""What starts and ends with this process: parts for an `async with`, and child processes."""

from __future__ import annotations

import shutil
import signal
import subprocess
from abc import ABC, abstractmethod
from contextlib import suppress
from types import TracebackType
from typing import Self


class Started(ABC):
    """Something that `async with` starts, and stops at the end."""

    @abstractmethod
    async def start(self) -> None:
        """Start it."""

    @abstractmethod
    async def stop(self) -> None:
        """Stop it; nothing of it is left running."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()


def with_us(*words: str) -> list[str]:
    """A command whose process the kernel kills when ours is gone, where the machine can do that."""
    death = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
    return [*death, *words]


def end_process(process: subprocess.Popen[bytes], how: signal.Signals, within_s: float) -> None:
    """Send a signal and wait for the end; what is still there after `within_s` seconds is killed."""
    with suppress(ProcessLookupError):
        process.send_signal(how)
    try:
        process.wait(within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
