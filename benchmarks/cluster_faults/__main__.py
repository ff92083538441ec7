"""A cluster under load while each part fails: what callers, events and grades lose. Nothing, or status 1.

    python -m benchmarks.cluster_faults [--only controller-cut,nats-away] [--times 1] [--short] [--json]
        [--nats-servers 3] [--rate 0.4] [--pause 12] [--seed 1] [--keep FOLDER]

Hosts are network namespaces of this machine (root; cleaned up at the end): two Asterisks, each with its
door, two controllers, two workers, two senders, two web nodes, NATS (one server or three), PostgreSQL.
Callers come to both PBXes at a steady rate, each for 12 to 45 s, agents are sipp, and faults strike in random
order. What is true is seen over manager connections of the run's own, which no fault cuts. Speech is heard by
the light model `mlp`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.cluster_faults.faults import FAULTS, SHORT, chosen
from benchmarks.cluster_faults.run import Options, run
from benchmarks.faults.history import History
from benchmarks.faults.judge import Verdict, judge
from benchmarks.faults.report import as_json, details, table
from emocx_pbx.errors import EmocxError

HISTORY: Final = "history.json"
#: Whoever waits longer for a queue was delayed, whatever fails.
IN_QUEUE_S: Final = 1.8


def main() -> int:
    """Parse, run, judge, print; 1 if a promise was broken, 2 if it can't be run."""
    options = _parser().parse_args()
    if options.list:
        for fault in FAULTS:
            print(f"{fault.name:24} {fault.what}")
        return 0
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    try:
        if options.judge:
            history = msgspec.json.decode((options.judge / HISTORY).read_bytes(), type=History)
        else:
            history = asyncio.run(_run(_wanted(options), options.keep and options.keep.resolve(), say))
    except (EmocxError, OSError, msgspec.MsgspecError) as error:
        print(f"benchmarks.cluster_faults: {error}", file=sys.stderr)
        return 2
    except asyncio.CancelledError:
        print("benchmarks.cluster_faults: stopped", file=sys.stderr)
        return 2
    if options.keep:
        (options.keep / HISTORY).write_bytes(msgspec.json.encode(history))
    verdict = judge(history, IN_QUEUE_S)
    if options.json:
        conditions = {
            "seed": options.seed, "rate": options.rate, "nats_servers": options.nats_servers,
            "upgraded_from": options.earlier or "the same version", "cores": os.cpu_count(),
            "load": os.getloadavg()[0], "seconds": round(time.monotonic() - began),
        }  # fmt: skip
        print(json.dumps(as_json(history, verdict, conditions)))
    else:
        _show(history, verdict)
    return 0 if verdict.kept else 1


def _show(history: History, verdict: Verdict) -> None:
    print(*table(verdict.rows, verdict.total, IN_QUEUE_S), *details(history, verdict), sep="\n")
    for window in history.windows:
        if window.blind_until is not None:
            print(f"{window.fault}: another controller acted after {window.blind_until - window.began:.1f} s")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.cluster_faults", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--only", default="", metavar="A,B", help="these faults alone")
    parser.add_argument(
        "--short", action="store_true",
        help=f"short calls, more of them; without --only the faults {', '.join(SHORT)}",
    )  # fmt: skip
    parser.add_argument("--list", action="store_true", help="say which faults there are")
    parser.add_argument("--times", type=int, default=1, help="how often each strikes (1)")
    parser.add_argument("--rate", type=float, default=0.4, help="calls a second, of both PBXes (0.4)")
    parser.add_argument("--pause", type=float, default=12.0, help="seconds between faults, about (12)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nats-servers", type=int, choices=(1, 3), default=1)
    parser.add_argument("--nats-server", default="", metavar="FILE", help="another nats-server program")
    parser.add_argument(
        "--earlier", default="", metavar="PYTHON",
        help="a Python with the version that all nodes begin with, for `upgrade`; else it is from the same",
    )  # fmt: skip
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep logs and history there")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="judge what --keep kept, without a run")
    parser.add_argument("--json", action="store_true")
    return parser


def _wanted(options: argparse.Namespace) -> Options:
    only = [name for name in options.only.split(",") if name]
    if options.short:
        wanted = short(only or SHORT, options.nats_servers)
    else:
        wanted = Options(chosen(only, options.nats_servers), rate=options.rate, pause_s=options.pause)
    return replace(
        wanted,
        times=options.times,
        seed=options.seed,
        servers=options.nats_servers,
        nats_server=options.nats_server,
        earlier=(options.earlier, "-m", "emocx_pbx.cli") if options.earlier else None,
    )


def short(names: Sequence[str] = SHORT, servers: int = 1) -> Options:
    """Short calls, and more of them; the tests run a few faults like this."""
    return Options(
        chosen(names, servers), rate=0.8, shortest_s=6.0, longest_s=14.0, pause_s=3.0, warm_s=6.0,
        settle_s=45.0,
    )  # fmt: skip


async def _run(options: Options, keep: Path | None, say: Callable[[str], None]) -> History:
    """Run; ended in order by SIGTERM too, so that nothing is left."""
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await run(options, keep, say)


if __name__ == "__main__":
    sys.exit(main())
