"""Runs every benchmark to its end, each with the smallest arguments that take it through all of its steps.

    python -m benchmarks.smallest [NAME...] [--limit 900] [--list]

It shows that they still work, after a move or a change of what they use. The figures of runs this small mean
nothing. Those with calls need Asterisk, `cluster_faults` needs root, and most need the data sets.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

ROOT: Final = Path(__file__).parents[1]

#: Arguments by benchmark, quick ones first.
SMALLEST: Final[Mapping[str, str]] = MappingProxyType(
    {
        "plan": "",
        "review_estimates": "--sites 2",
        "routing_sim": "--seeds 1 --learn 500 --calls 500",
        "features": "",
        "speech_cost": "",
        "encoder_cost": "1",
        "text_cost": "",
        "fuzz": "--number 100",
        "languages": "--most 50",
        "topics": "--seeds 1",
        "recognition": "--no-topics",
        "worst_clips": "--model cnn --count 3",
        "misread_speakers": "--model cnn",
        "recording_warnings": "--calls 8",
        "grade_quality": "--model cnn --calls 8",
        "alert_quality": "--model cnn --calls 8",
        "cascade": "--calls 8 --effort 1.6",
        "companion": "--calls 8 --share 0.3 --sharpness 1",
        "fused_products": "--clips ../shared/data/speech/clips.csv --windows 2",
        "echo": "--only calls",
        "unfamiliar_callers": "--speakers test",
        "site_centre": "--mix calls --variants 1",
        "leave_one_out": "",
        "question_windows": "--clips 2",
        "words": "--messages 12 --calls 8 --lag-calls 1",
        "worker_start": "--rounds 1",
        "worker_capacity": "--taps 2 --seconds 5",
        "decisions": "--taps 2 --seconds 3 --rate 5 --callers 1 --rounds 1 --warm 3",
        "pages": "--calls 500 --repeat 2 --warm 1",
        "live_view": "--calls 5 --seconds 3",
        "http_attacks": "--seconds 2 --rate 5",
        "controller_capacity": "--calls 20 --seconds 3",
        "cluster_scale": "--nodes 1 --seconds 1",
        "alert_latency": "--calls 1",
        "capacity": "--calls 2 --seconds 20",
        "takeover": "--times 1",
        "faults": "--only worker-killed --times 1 --duration 60 --shortest 5 --longest 10",
        "cluster_faults": "--only web-killed --short",
    }
)


def main() -> int:
    """Run them, or those named; exit status 1 if one failed."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.smallest", description="Run every benchmark with its smallest arguments."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(SMALLEST)}")
    parser.add_argument("--limit", type=float, default=900.0, metavar="SECONDS", help="of each (900)")
    parser.add_argument("--list", action="store_true", help="print the commands instead")
    args = parser.parse_args()
    if unknown := sorted(set(args.names) - set(SMALLEST)):
        parser.error(f"no benchmark is called {unknown[0]}")
    failed = []
    for name in args.names or SMALLEST:
        command = ["-m", f"benchmarks.{name}", *SMALLEST[name].split()]
        print("python", *command, flush=True)
        if not args.list and not _run(command, args.limit):
            failed.append(name)
    if failed:
        print("failed:", *failed)
    return 1 if failed else 0


def _run(command: list[str], limit_s: float) -> bool:
    """Whether it ended well; what it said last is shown where it did not."""
    begun = time.monotonic()
    with subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ) as process:  # fmt: skip
        try:
            said, _ = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            # With the services that it started, as they are of its group.
            os.killpg(process.pid, signal.SIGTERM)
            said, _ = process.communicate()
            print(f"    not done after {limit_s:.0f} s", flush=True)
            return False
    if process.returncode:
        print(*("    " + line for line in said.splitlines()[-20:]), sep="\n")
    print(f"    exit status {process.returncode} after {time.monotonic() - begun:.0f} s", flush=True)
    return process.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
