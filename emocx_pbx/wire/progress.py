"""Whether a process or thread makes progress: one that waits for a core, or works, is not dead.

Silence alone proves nothing: on an overloaded machine, killing a slow process costs more than the process
did, and its replacement is slower still.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

_TICKS: Final = os.sysconf("SC_CLK_TCK")


class ProcessState(NamedTuple):
    """What the system says about a process or thread."""

    state: str
    """R: runs or waits for a core; S: sleeps; D: waits for a disk; T: stopped; empty: gone, or unknown."""
    cpu_s: float
    """CPU seconds it has used."""


def standing(pid: int, thread: int = 0) -> ProcessState:
    """The state of a process, or of one of its threads (proc(5), `stat`)."""
    place = Path(f"/proc/{pid}/task/{thread}/stat" if thread else f"/proc/{pid}/stat")
    try:
        fields = place.read_text().rsplit(")", 1)[1].split()
        return ProcessState(fields[0], (int(fields[11]) + int(fields[12])) / _TICKS)
    except (OSError, IndexError, ValueError):
        return ProcessState("", 0.0)


class ProcessProgress:
    """Looks at one process from time to time."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.cpu_s = 0.0
        """CPU seconds that it had used at the last look."""
        self._spoke_cpu_s = 0.0

    def moved(self) -> bool:
        """Whether it used CPU since the last look, or waits for a core; False for one that was stopped."""
        state, cpu_s = standing(self._pid)
        before, self.cpu_s = self.cpu_s, cpu_s
        return state == "R" or (cpu_s > before and state not in {"T", "t"})

    def spoke(self) -> None:
        """It said something: what it works from now on is work in silence."""
        self.moved()
        self._spoke_cpu_s = self.cpu_s

    def merely_slow(self, most_cpu_s: float) -> bool:
        """Whether it is silent because it is slow: it moves, and has used no more CPU (seconds) in silence
        than that, which one that is caught in a loop has.
        """
        return self.moved() and self.cpu_s - self._spoke_cpu_s <= most_cpu_s
