"""How long until a standby acts, and hears a call again, after the acting controller is gone.

    python -m benchmarks.takeover [--times 3]

A private Asterisk, a private PostgreSQL, two controllers (the small speech model), and one call of a recorded
customer at a time. The one that acts is killed (SIGKILL), frozen (SIGSTOP) and stopped in order (SIGTERM), so
many times each, in turn. From that moment: seconds until the other one has the lease, until the call is taken
over, and until a tap of its own hears it, by the times in its log. The baseline is a controller that is alone
on the same database, killed and started again at once. Prints one JSON object; exit status 1 if a call was
taken over later than 5 s after a kill or a freeze. All on one machine, so that there is one clock.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.service import ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers

GOAL_S: Final = 5.0
#: Lines of a log, and what they tell.
STEPS: Final = {"lease.taken": "acts", "call.recovered": "call taken over", "tap.started": "heard again"}
DEADLINE_S: Final = 60.0


class Site:
    """What all rounds share."""

    def __init__(self, folder: Path, pbx: PrivateAsterisk, server: PrivatePostgres, sound: Path) -> None:
        self._folder, self._pbx, self._server, self._sound = folder, pbx, server, sound

    def controller(self, name: str) -> ServiceProcess:
        """One of its own folder."""
        return ServiceProcess(
            self._folder / name,
            self._pbx,
            settings={
                "store": {"url": self._server.url()},
                "analysis": {"transcriber": "off", "speech_model": "mlp", "spare_worker": False},
                "cluster": {"node": name},
            },
        )

    async def one(self, what: str, number: int) -> dict[str, float]:
        """A pair of controllers, a call, and what becomes of it."""
        alone = what == "killed, no standby"
        one = self.controller(f"{what}-{number}-a".replace(" ", "-").replace(",", ""))
        other = one if alone else self.controller(f"{what}-{number}-b")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(one.stop)
            await one.start()
            if not alone:
                stack.push_async_callback(other.stop)
                await other.start(standby=True)
            plan = CallPlan("route", "this is outrageous", customer="c", number="+491100")
            customers = SippCustomers(self._pbx.sip_port, self._sound, [plan], hold_s=DEADLINE_S)
            await stack.enter_async_context(customers)
            await _told(one, ["tap.started"], 0.0)
            at = time.time()
            if what == "frozen":
                one.freeze()
                stack.callback(one.thaw)
            elif what == "stopped":
                os.kill(one.pid, 15)
            else:
                await one.kill()
            if alone:
                await one.start()
            told = await _told(other, list(STEPS), at)
        return {STEPS[key]: round(when - at, 2) for key, when in told.items()}


async def _told(service: ServiceProcess, keys: Sequence[str], since: float) -> dict[str, float]:
    """When a service first logged each of these after `since` (Unix seconds)."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            found: dict[str, float] = {}
            for line in service.log().splitlines():
                if line.startswith("{") and (said := _line(line)).get("key") in keys:
                    at = datetime.fromisoformat(said["timestamp"]).timestamp()
                    if at >= since:
                        found.setdefault(said["key"], at)
            if len(found) == len(keys):
                return found
            await asyncio.sleep(0.05)


def _line(line: str) -> dict[str, Any]:
    try:
        said: dict[str, Any] = json.loads(line)
    except ValueError:  # half of it is written
        return {}
    return said


async def measure(times: int) -> dict[str, dict[str, dict[str, float]]]:
    """Median and worst of each step, by what happened."""
    rounds: dict[str, list[dict[str, float]]] = {}
    with PrivatePostgres() as server, tempfile.TemporaryDirectory(prefix="emocx-takeover-") as folder:
        speech = recordings.load()
        customer = recordings.write_mulaw(Path(folder) / "customer.ul", speech.customer)
        agent = recordings.write_mulaw(Path(folder) / "agent.ul", speech.agent)
        installation = find(cache_directory(os.environ))
        async with PrivateAsterisk(installation) as pbx, SippAgents(pbx.agent_port, agent, answer_s=0.1):
            site = Site(Path(folder), pbx, server, customer)
            for number in range(times):
                for what in ("killed", "frozen", "stopped", "killed, no standby"):
                    found = await site.one(what, number)
                    print(f"{what}: {found}", file=sys.stderr)
                    rounds.setdefault(what, []).append(found)
                    await pbx.cli("channel request hangup all")
    return {
        what: {
            step: {"median": statistics.median(r[step] for r in of), "worst": max(r[step] for r in of)}
            for step in STEPS.values()
        }
        for what, of in rounds.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Measure and print; the exit status."""
    parser = argparse.ArgumentParser(prog="benchmarks.takeover")
    parser.add_argument("--times", type=int, default=3, help="rounds of each kind (3)")
    found = asyncio.run(measure(parser.parse_args(argv).times))
    print(json.dumps({"seconds": found, "load": os.getloadavg()[0], "cpus": os.cpu_count()}))
    late = [what for what in ("killed", "frozen") if found[what]["call taken over"]["worst"] > GOAL_S]
    return 1 if late else 0


if __name__ == "__main__":
    sys.exit(main())
