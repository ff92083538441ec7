"""The service's processes as the kernel knows them: which there are, their memory, descriptors and ports."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from benchmarks.faults.history import Usage

WORKER: Final = "emocx_pbx.analysis.worker.process"
WEB: Final = "emocx_pbx.web.process"
_LISTEN: Final = "0A"


def of_group(group: int) -> list[int]:
    """Processes of a process group, its leader too, as far as they live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                state, _, pgrp = (entry / "stat").read_text().rsplit(")", 1)[1].split()[:3]
            except OSError:
                continue
            if int(pgrp) == group and state != "Z":
                found.append(int(entry.name))
    return sorted(found)


def workers_of(controller: int) -> list[int]:
    """The controller's analysis workers."""
    return _running(controller, WORKER)


def web_of(controller: int) -> list[int]:
    """The controller's web process; none while it starts."""
    return _running(controller, WEB)


def _running(controller: int, module: str) -> list[int]:
    return [pid for pid in of_group(controller) if pid != controller and module in _words(pid)]


def _words(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").split("\0")
    except OSError:
        return []


def usage(controller: int) -> Usage:
    """Memory and descriptors now; of a process that is just gone nothing is counted."""
    workers, web = workers_of(controller), web_of(controller)
    return Usage(
        _resident_mib(controller),
        round(sum(map(_resident_mib, workers)), 1),
        round(sum(map(_resident_mib, web)), 1),
        len(_descriptors(controller)),
        sum(len(_descriptors(pid)) for pid in workers),
        sum(len(_descriptors(pid)) for pid in web),
    )


def ports(pids: Iterable[int]) -> list[int]:
    """TCP ports that processes listen on."""
    sockets = {target for pid in pids for target in _descriptors(pid)}
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path("/proc/net") / table
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == _LISTEN and f"socket:[{fields[9]}]" in sockets:
                found.add(int(fields[1].rsplit(":", 1)[1], 16))
    return sorted(found)


def _resident_mib(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return round(pages * os.sysconf("SC_PAGE_SIZE") / 2**20, 1)


def _descriptors(pid: int) -> list[str]:
    found = []
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                found.append(str(entry.readlink()))
            except OSError:
                continue
    except OSError:
        pass
    return found
