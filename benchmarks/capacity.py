"""N simultaneous real calls, tapped: gaps, readings, grades, webhooks, CPU of each process.

    python -m benchmarks.capacity --calls 50 --seconds 60 [--json]

Runs a private Asterisk, sipp customers and agents playing a human recording, `emocx-pbx serve` and
a webhook receiver, all on this machine. The same calls without the service are the baseline for
Asterisk's CPU.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers

QUERIES = (
    "I have been charged twice and nobody answers, this is a scandal!",
    "What are your opening hours on Monday?",
    "I am sad to say that my parcel still has not come.",
    "Thank you so much, the new phone is wonderful!",
)

#: Calls that begin, and end, in a second at most: the log leaves out more than 100 lines of a kind in 10 s.
MOST_RATE = 8.0


@dataclass(frozen=True, slots=True)
class Load:
    """CPU of the processes during the calls, in cores."""

    asterisk: float
    controller: float = 0.0
    workers: float = 0.0


def cpu_s(pids: Iterable[int]) -> float:
    """CPU seconds that processes have used so far (proc(5), fields 14 and 15 of stat)."""
    ticks = 0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Child processes of a process."""
    try:
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


async def run_calls(pbx: PrivateAsterisk, ul: dict[str, Path], calls: int, seconds: float) -> None:
    """All calls begin within 10 s, or MOST_RATE a second, and last for `seconds`."""
    plans = [CallPlan("route", QUERIES[i % len(QUERIES)], f"customer-{i}") for i in range(calls)]
    rate = min(max(1.0, calls / 10), MOST_RATE)
    customers = SippCustomers(pbx.sip_port, ul["customer"], plans, hold_s=seconds, rate=rate)
    async with customers:
        await customers.wait(seconds + 60)


async def measure(calls: int, seconds: float) -> dict[str, object]:
    """The same calls without the service, then with it."""
    speech = recordings.load()
    with tempfile.TemporaryDirectory() as folder:
        ul = {
            side: recordings.write_mulaw(Path(folder) / f"{side}.ul", getattr(speech, side))
            for side in ("customer", "agent")
        }
        async with (
            PrivateAsterisk(find(cache_directory(os.environ)), agents=calls) as pbx,
            SippAgents(pbx.agent_port, ul["agent"], answer_s=0.1),
        ):
            used, began = cpu_s([pbx.pid]), time.monotonic()
            await run_calls(pbx, ul, calls, seconds)
            baseline = Load((cpu_s([pbx.pid]) - used) / (time.monotonic() - began))
            async with (
                Receiver() as receiver,
                ServiceProcess(Path(folder), pbx, [Hook(receiver.url, receiver.secret)]) as service,
            ):
                pids = {
                    "asterisk": [pbx.pid],
                    "controller": [service.pid],
                    "workers": children(service.pid),
                }
                before, began = {k: cpu_s(v) for k, v in pids.items()}, time.monotonic()
                await run_calls(pbx, ul, calls, seconds)
                took = time.monotonic() - began
                load = Load(**{k: (cpu_s(v) - before[k]) / took for k, v in pids.items()})
                await receiver.wait(lambda: len(receiver.of("call.ended")) >= calls, 60)
                lines = [json.loads(line) for line in service.log().splitlines() if line.startswith("{")]
    taps = [line for line in lines if line.get("key") == "tap.ended"]
    grades = receiver.of("call.graded")
    return {
        "calls": calls,
        "seconds": seconds,
        "taps": len(taps),
        "max_gap_s": max((t["max_gap_s"] for t in taps), default=None),
        "missing_s": round(sum(t["missing_s"] for t in taps), 2),
        "graded": len(grades),
        "with_score": sum(grade.data["grade"]["score"] is not None for grade in grades),
        "ended": len(receiver.of("call.ended")),
        "webhooks_delivered": len(receiver.deliveries),
        "webhooks_bad_signature": sum(not d.signature_valid for d in receiver.deliveries),
        "cpu_cores_without_service": asdict(baseline),
        "cpu_cores_with_service": asdict(load),
    }


def main() -> int:
    """Parse, measure, print; 1 if a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    result = asyncio.run(measure(options.calls, options.seconds))
    if options.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{re.sub('_', ' ', name):32} {value}")
    kept = (
        result["taps"] == result["graded"] == result["ended"] == options.calls and result["missing_s"] == 0.0
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
