"""`emocx-pbx status`: the state of the running service."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import NOT_IN_ORDER, add_common, in_loop, local, read_settings, show, table
from emocx_pbx.errors import PeerUnavailable

if TYPE_CHECKING:
    from emocx_pbx.service.status import Status, WorkerStatus


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "status", help="state of the running service; exit 1 if it is not in order, or does not run"
    )
    add_common(parser, in_loop(_status))


async def _status(args: argparse.Namespace) -> int:
    from emocx_pbx.service.status import ask

    settings = read_settings(args)
    try:
        status = await ask(settings.store_path())
    except PeerUnavailable as error:
        why = str(error)
        show(args, {"running": False, "problems": [why]}, lambda: f"not running: {why}")
        return NOT_IN_ORDER
    problems = status.problems()
    show(args, {"running": True, "problems": problems, "status": status}, lambda: words(status, time.time()))
    return NOT_IN_ORDER if problems else 0


def words(status: Status, now: float) -> str:
    """The status for people; what is not in order comes last, where it is most visible."""
    hours = (now - status.up_since) / 3600
    asterisk = f"Asterisk {status.asterisk}" if status.asterisk else "no link to Asterisk"
    web = f"web process {status.web_pid}" if status.web_pid else "no web process"
    calls = ", ".join(f"{number} {state}" for state, number in status.calls.items() if number) or "none"
    parts = [
        (name, "up" if c.up else "DOWN", local(c.since), c.why)
        for name, c in sorted(status.components.items())
    ]
    workers = [
        (
            w.index,
            w.pid,
            "up" if w.up else "NOT READY",
            w.sessions,
            w.speech_model,
            w.text_model,
            w.transcriber,
            _carried(w),
        )
        for w in status.workers
    ]
    receivers = [
        (r.name, r.url, r.pending, r.failed, f"DISABLED: {r.disabled}" if r.disabled else "on")
        for r in status.receivers
    ]
    lines = [
        f"emocx-pbx {status.version}, process {status.pid}, up {hours:.1f} h, {web}, {asterisk}",
        f"settings: {status.settings or 'defaults'}; mode {status.mode}",
        f"calls: {calls}",
        f"database: {status.database}, {status.database_bytes / 1e6:.1f} MB, schema {status.schema}; "
        f"{status.disk_free_bytes / 1e9:.1f} GB free",
        "",
        table(("part", "", "since", "remark"), parts, "no part was heard of"),
        "",
        table(
            ("worker", "process", "", "sessions", "speech", "text", "transcriber", "calls a core"),
            workers,
            "no workers",
        ),
        *(f"worker {w.index}: {problem}" for w in status.workers for problem in w.problems),
        "",
        table(("receiver", "address", "pending", "given up", ""), receivers, "no receivers"),
        "",
    ]
    problems = status.problems()
    lines += [f"not in order: {problem}" for problem in problems] or ["in order"]
    return "\n".join(lines)


def _carried(worker: WorkerStatus) -> str:
    """Calls that its core carries: with the speech model for every window, and with the light one alone."""
    numbers = [n for n in (worker.carries_accurate, worker.carries_light) if n]
    return " to ".join(map(str, numbers))
