"""Load and faults: what callers, events and grades lose when things fail. Nothing, or exit status 1.

    python -m benchmarks.faults [--only link-cut,garbage] [--times 2] [--rate 0.6] [--duration 1200] [--json]

Runs a private Asterisk with telephones, `emocx-pbx serve`, a webhook receiver and a proxy for the manager
link, all on this machine. Calls of 12 to 60 s come at a steady rate; every fault strikes at random places.
What is true is seen over a manager connection of the run's own. Speech is heard by the light model `mlp`;
disk-full needs root.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from pathlib import Path

import msgspec

from benchmarks.faults.faults import FAULTS
from benchmarks.faults.history import History
from benchmarks.faults.judge import judge
from benchmarks.faults.plan import chosen
from benchmarks.faults.report import as_json, details, table
from benchmarks.faults.run import Options, run
from emocx_pbx.errors import EmocxError

HISTORY = "history.json"


def main() -> int:
    """Parse, run, judge, print; 1 if a promise was broken, 2 if it can't be run."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.faults", description=__doc__.split("\n", 1)[0]
    )
    parser.add_argument("--only", default="", metavar="A,B", help="these faults alone")
    parser.add_argument("--list", action="store_true", help="say which faults there are")
    parser.add_argument("--times", type=int, default=2, help="how often each strikes (2)")
    parser.add_argument("--rate", type=float, default=0.6, help="calls a second (0.6)")
    parser.add_argument("--shortest", type=float, default=12.0, help="seconds of the shortest call (12)")
    parser.add_argument("--longest", type=float, default=60.0, help="seconds of the longest call (60)")
    parser.add_argument(
        "--duration", type=float, default=1200.0, help="seconds of load; longer if needed (1200)"
    )
    parser.add_argument(
        "--settle", type=float, default=60.0, help="seconds to tell everything at the end (60)"
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep database, logs and history there")
    parser.add_argument("--judge", type=Path, metavar="FOLDER", help="judge what --keep kept, without a run")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.list:
        for fault in FAULTS:
            print(f"{fault.name:24} {fault.what}")
        return 0
    if options.times < 1 or options.rate <= 0 or not 0 < options.shortest <= options.longest:
        parser.error("--times at least 1, --rate over 0, --shortest at most --longest")
    began = time.monotonic()

    def say(line: str) -> None:
        print(f"{time.monotonic() - began:7.1f} s  {line}", file=sys.stderr, flush=True)

    try:
        wanted = Options(
            chosen(filter(None, options.only.split(","))),
            options.times, options.rate, options.shortest, options.longest, options.duration,
            settle_s=options.settle, seed=options.seed,
        )  # fmt: skip
        if options.judge:
            history = msgspec.json.decode((options.judge / HISTORY).read_bytes(), type=History)
        else:
            history = asyncio.run(run(wanted, options.keep and options.keep.resolve(), say))
    except (EmocxError, OSError, msgspec.MsgspecError) as error:
        print(f"benchmarks.faults: {error}", file=sys.stderr)
        return 2
    if options.keep:
        (options.keep / HISTORY).write_bytes(msgspec.json.encode(history))
    verdict = judge(history)
    conditions = {
        "seed": options.seed,
        "rate": options.rate,
        "call_s": [options.shortest, options.longest],
        "cores": os.cpu_count(),
        "seconds": round(time.monotonic() - began),
    }
    if options.json:
        print(json.dumps(as_json(history, verdict, conditions)))
    else:
        print(*table(verdict.rows, verdict.total), *details(history, verdict), sep="\n")
    return 0 if verdict.kept else 1


if __name__ == "__main__":
    sys.exit(main())
