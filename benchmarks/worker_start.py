"""How soon a worker is ready, and another in the place of one that was killed, with and without a spare.

    python -m benchmarks.worker_start [--rounds 3]

Real worker processes with their models, files warm. Times count from the pool's start, and from SIGKILL, to
Ready: then calls are tapped. CPU is the worker's own until then; memory that of the spare. Prints one JSON
object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import statistics
import sys
import time
from typing import Any

from benchmarks.worker_capacity import cpu_s, rss_mb
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import Ready
from emocx_pbx.analysis.pool import ToService, WorkerPool
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings

PATIENCE_S = 90.0


async def measure(spare: bool) -> dict[str, float]:
    """One pool of one worker, killed once."""
    ready = asyncio.Event()

    def take(message: ToService) -> None:
        if isinstance(message, Ready):
            ready.set()

    settings = AnalysisSettings(base_port=0, transcriber="off", spare_worker=spare)
    pool = WorkerPool(
        WorkerConfig(settings=settings, log=LogSettings(level="error")), take, spare_after_s=0.0
    )
    began = time.monotonic()
    if not await pool.start(PATIENCE_S):
        raise SystemExit("the worker did not start")
    found = {"ready_s": time.monotonic() - began}
    pid = pool.pick_own().pid
    assert pid is not None
    found["cpu_s"] = cpu_s(pid)
    async with asyncio.timeout(PATIENCE_S):
        if spare and (other := (await pool.spare.until_warm()).pid) is not None:
            found["spare_mb"] = rss_mb(other)
        ready.clear()
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        await ready.wait()
    found["again_s"] = time.monotonic() - began
    await pool.stop()
    return found


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    rounds = parser.parse_args().rounds
    configure(LogSettings(level="error"))  # to stderr: each worker that is killed here
    result: dict[str, Any] = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2), "rounds": rounds}
    for name, spare in (("with_spare", True), ("without", False)):
        runs = [asyncio.run(measure(spare)) for _ in range(rounds)]
        result[name] = {key: round(statistics.median(run[key] for run in runs), 2) for key in runs[0]}
    json.dump(result, sys.stdout, indent=1)
    print()


if __name__ == "__main__":
    main()
