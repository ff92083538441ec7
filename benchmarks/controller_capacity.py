"""What calls cost the controller, how that grows with their number, and what a day of them leaves in memory.

    python -m benchmarks.controller_capacity [--calls 500 1000 2000 5000] [--seconds 15] [--against COMMIT]
                                             [--day 100000] [--plot FILE.svg]

In one process, as the service has it: Asterisk's events as text, read and followed; workers' messages as
MessagePack; calls' states, three alert rules, the live board and what it tells the web process; everything
written to a database on this disk. Not in it: pages, deliveries to receivers, decisions, Originate.
So many calls are begun; then for some seconds each gives a reading every 3 s of its customer's speech (a talk
share of .4: every 7.5 s) and utterances of both sides, and as many calls end and begin as calls of 3 minutes
would, all by absolute times. One call in six is angry or disappointed. CPU is of the whole process, SQLite's
thread and the making of the messages (about a tenth) included. Each number of calls and each tree has
a process of its own.

--day lets a day of so many calls pass as fast as the machine allows, by a clock of its own, 500 at once, and
tells the memory after each hour of it. The ids of the last 20,000 ended calls are kept (`calls/journeys.py`):
so many calls must be over before the memory can be flat ("growth_mb_once_settled"; null on shorter days).
Prints one JSON object; on stderr what is done. A commit that does not run with what is installed now is
left out, with its reason, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.controller_calls import READING_S, TALK_SHARE, Call, Calls, Clock, Controller
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.settings import LogSettings
from emocx_pbx.store.database import Store

ROOT = Path(__file__).resolve().parents[1]
#: Utterances of 2.5 s on either side.
SPAN_S: Final = 2.5 / (2 * TALK_SHARE)
CALL_S: Final = 180.0
#: Calls at once on the simulated day.
AT_ONCE: Final = 500
#: Calls after which nothing more is kept of each: `journeys.MAX_OVER`, those that go on, and a few.
SETTLED: Final = 21_000
DAY_S: Final = 86_400.0


async def paced(store: Store, calls: int, seconds: float) -> dict[str, Any]:
    """So many calls at once for a while."""
    controller = Controller(store, Clock())
    load = Calls(controller)
    ledger = asyncio.create_task(controller.ledger.run())
    going: deque[Call] = deque()
    for begun in range(calls):
        going.append(load.begin())
        going[-1].t = CALL_S * begun / calls  # as if it had gone on for a while
        if begun % 20 == 19:
            await controller.ledger.written(60.0)
    await controller.ledger.written(60.0)
    for taken in controller.took.values():
        taken.clear()
    lags: list[float] = []
    observed = controller.told_bytes
    used, main, began = time.process_time(), time.thread_time(), time.perf_counter()
    count = dict.fromkeys(("reading", "span", "call"), 0)
    rates = {"reading": calls / READING_S, "span": 2 * calls / SPAN_S / 2, "call": calls / CALL_S}
    turn = 0
    while (passed := time.perf_counter() - began) < seconds:
        for what, rate in rates.items():
            while count[what] < passed * rate:
                count[what] += 1
                if what == "call":
                    load.end(going.popleft())
                    going.append(load.begin())
                elif what == "reading":
                    turn = (turn + 1) % len(going)
                    load.reads(going[turn])
                else:
                    call = going[count[what] % len(going)]
                    load.spoke(call, ("agent", "customer")[count[what] % 2], count[what] * 0.01)
        asked = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - asked - 0.005)
    wall = time.perf_counter() - began
    cpu, main = time.process_time() - used, time.thread_time() - main
    waits = len(controller.ledger)
    await controller.ledger.written(60.0)
    ledger.cancel()
    return {
        "calls": calls,
        "seconds": round(wall, 1),
        "readings_per_s": round(count["reading"] / wall, 1),
        "utterances_per_s": round(count["span"] / wall, 1),
        "calls_begun_and_ended_per_s": round(count["call"] / wall, 1),
        "cores": round(cpu / wall, 3),
        "main_thread_cores": round(main / wall, 3),
        "reading_us": microseconds(controller.took["reading"]),
        "event_us": microseconds(controller.took["event"]),
        "loop_lag_ms": {
            name: round(1e3 * float(np.percentile(lags, mark)), 1)
            for name, mark in (("p50", 50), ("p99", 99), ("max", 100))
        },
        "changes_waiting_at_the_end": waits,
        "told_web_kb_per_s": round((controller.told_bytes - observed) / wall / 1e3, 1),
        "rss_mb": round(rss_mb(), 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }


async def day(store: Store, calls: int, readings: int = 8) -> dict[str, Any]:
    """A day of calls, as fast as it goes; each with so many readings and twice as many utterances."""
    clock = Clock(1_800_000_000.0)
    controller = Controller(store, clock, timed=False)
    load = Calls(controller)
    ledger = asyncio.create_task(controller.ledger.run())
    going: deque[Call] = deque()
    memory: list[dict[str, float]] = []
    used, began = time.process_time(), time.perf_counter()
    for number in range(1, calls + 1):
        assert clock.at is not None
        clock.at += DAY_S / calls
        going.append(load.begin())
        if len(going) > AT_ONCE or number == calls:
            call = going.popleft()
            for turn in range(readings):
                load.reads(call)
                for side in ("customer", "agent"):
                    load.spoke(call, side, turn * READING_S + (side == "agent"))
            load.end(call)
        if number % 25 == 0:
            await controller.ledger.written(60.0)
        if 24 * number // calls > len(memory):
            gc.collect()
            memory.append({"hour": len(memory) + 1, "calls": number, "rss_mb": round(rss_mb(), 1)})
    await controller.ledger.written(60.0)
    ledger.cancel()
    rest = memory[len(memory) // 4 :]
    settled = [one for one in memory if one["calls"] > SETTLED]
    return {
        "calls": calls,
        "readings": calls * readings,
        "cpu_ms_per_call": round(1e3 * (time.process_time() - used) / calls, 2),
        "wall_s": round(time.perf_counter() - began, 1),
        "memory": memory,
        "growth_mb_after_the_first_quarter": round(rest[-1]["rss_mb"] - rest[0]["rss_mb"], 1),
        "growth_mb_once_settled": round(settled[-1]["rss_mb"] - settled[0]["rss_mb"], 1) if settled else None,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
        "still_held": len(controller.journeys.calls) - len(going),
    }


def microseconds(taken: list[float]) -> dict[str, float] | None:
    """Mean and 99 % mark."""
    if not taken:
        return None
    return {
        "mean": round(1e6 * sum(taken) / len(taken), 1),
        "p99": round(1e6 * float(np.percentile(taken, 99)), 1),
    }


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def alone(options: argparse.Namespace) -> dict[str, Any]:
    """One measurement, in this process."""
    configure(LogSettings(level="error"))
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(Path(folder) / "emocx.db")
        try:
            if options.day:
                return await day(store, options.day)
            return await paced(store, options.calls[0], options.seconds)
        finally:
            await store.close()


def in_tree(tree: Path, *words: str) -> dict[str, Any]:
    """A measurement in a process whose package is that of the tree."""
    # The tree's package, and these benchmarks.
    environment = os.environ | {"PYTHONPATH": os.pathsep.join((str(tree), str(ROOT)))}
    command = [sys.executable, __file__, "--alone", *words]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines() or [f"ended by signal or status {done.returncode}"]
        raise RuntimeError(why[-1])
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def checked_out(commit: str, folder: Path) -> Path:
    """The package of a commit."""
    packed = subprocess.run(
        ["git", "archive", commit, "emocx_pbx"], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
    return folder


def ratios(earlier: list[dict[str, Any]], here: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """CPU of the earlier commit by that of this one, for each number of calls that both have."""
    now = {run["calls"]: run["cores"] for run in here}
    for before in earlier:
        if before["calls"] in now:
            yield str(before["calls"]), round(before["cores"] / now[before["calls"]], 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="*", default=[500, 1000, 2000, 5000])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--against", default="", metavar="COMMIT", help="measure this commit as well")
    parser.add_argument("--day", type=int, default=0, metavar="CALLS", help="let a day of so many calls pass")
    parser.add_argument("--plot", type=Path, help="draw CPU over the number of calls")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        json.dump(asyncio.run(alone(options)), sys.stdout)
        return 0
    failed = False
    result: dict[str, Any] = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        trees = {"here": ROOT}
        if options.against:
            trees[options.against] = checked_out(options.against, Path(folder))
        # By turns, so that what else the machine does meets both trees.
        for calls in options.calls:
            for name, tree in trees.items():
                words = ("--calls", str(calls), "--seconds", str(options.seconds))
                try:
                    result.setdefault(name, []).append(in_tree(tree, *words))
                except RuntimeError as error:
                    # Such as a commit that needs what is not installed any more: the others' figures stand.
                    print(f"{name}, {calls} calls: no figures: {error}", file=sys.stderr)
                    failed = True
                else:
                    print(f"{name}, {calls} calls: done", file=sys.stderr)
    if options.against and options.calls:
        result["cpu_ratio"] = dict(ratios(result[options.against], result["here"]))
    if options.day:
        result["day"] = in_tree(ROOT, "--day", str(options.day))
    json.dump(result, sys.stdout, indent=1)
    print()
    if options.plot:
        plot({name: result[name] for name in trees}, options.plot)
        print(f"drawn: {options.plot}", file=sys.stderr)
    return 1 if failed else 0


def plot(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """CPU in cores, and microseconds a reading and an event, over the number of calls."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (cpu, each) = pyplot.subplots(1, 2, figsize=(8, 3))
    for tree, runs in found.items():
        calls = [run["calls"] for run in runs]
        cpu.plot(calls, [run["cores"] for run in runs], "o-", label=tree)
        for what, mark in (("reading", "o-"), ("event", "s--")):
            took = [run[f"{what}_us"]["mean"] if run[f"{what}_us"] else None for run in runs]
            each.plot(calls, took, mark, label=f"{what}, {tree}")
    cpu.set(xlabel="calls at once", ylabel="cores", title="CPU of the controller")
    each.set(xlabel="calls at once", ylabel="µs", title="CPU of one reading, of one event")
    for axes in (cpu, each):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
