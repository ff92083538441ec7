"""Server time of every page and every list of the API over many stored calls.

    python -m benchmarks.pages [--calls 100000] [--database FILE] [--repeat 30] [--json]

Fills a database as a call centre would in 90 days (kept under --database for the next run), opens the very
app that `emocx-pbx serve` serves, and asks for each page as a browser would. Server time is from a request's
arrival in the app to its answer's end; CPU is what the process used for it, in all threads: on a shared
machine that is what the other programs did not take. Exit status 1 if any p95 of the time is over 150 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import aiohttp
from aiohttp import web

from benchmarks.many_calls import AGENTS, fill
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.controller import Service
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import CallFilter
from emocx_pbx.web.identity.passwords import new_token, token_hash
from emocx_pbx.web.identity.sessions import SESSION, cookie_name

GOAL_MS = 150.0
DAYS = 90.0
BENCH = Actor("benchmark", "127.0.0.1")


@dataclass(frozen=True, slots=True)
class Timing:
    """One address."""

    address: str
    status: int
    kilobytes: float
    first_ms: float
    """Of the first request; sums over very many calls are then kept for a minute."""
    p50_ms: float
    p95_ms: float
    cpu_p95_ms: float


class Clocked:
    """A middleware that notes what the newest request took."""

    def __init__(self) -> None:
        self.wall_ms = self.cpu_ms = 0.0

    def middleware(self) -> web.Application:
        """To be put before all others."""

        @web.middleware
        async def clocked(request: web.Request, handler):  # type: ignore[no-untyped-def]
            wall, cpu = time.perf_counter(), time.process_time()
            try:
                return await handler(request)
            finally:
                self.wall_ms = 1e3 * (time.perf_counter() - wall)
                self.cpu_ms = 1e3 * (time.process_time() - cpu)

        return clocked  # type: ignore[return-value]


def addresses(call_id: str, now: float) -> Iterator[str]:
    """Every page, and lists by filters that find much, little and nothing."""
    agent = quote(AGENTS[7])
    yield from ("/live", "/account", "/admin")
    yield from (
        "/calls",
        f"/calls?agent={agent}",
        "/calls?came=angry&went=happy&letter=E",
        "/calls?search=nobody",
    )
    yield f"/calls/{call_id}"
    yield from (f"/agents?days={days}" for days in (7, 30, 90, 365))
    yield from ("/agents?emotion=angry", f"/agents/{agent}")
    yield from ("/queues", f"/queues?day={time.strftime('%Y-%m-%d', time.gmtime(now - 3 * 86_400))}")
    yield from (f"/benefit?days={days}" for days in (30, 90, 365))
    api = "/api/v1"
    yield from (
        f"{api}/live",
        f"{api}/calls?limit=200",
        f"{api}/calls?agent=nobody",
        f"{api}/calls?search=nobody",
    )
    yield from (f"{api}/calls?came=angry&went=happy&letter=E&alert=true", f"{api}/calls/{call_id}")
    yield from (
        f"{api}/grades?limit=200",
        f"{api}/grades?agent={agent}&letter=E",
        f"{api}/grades?disputed=true",
    )
    yield from (f"{api}/decisions", f"{api}/decisions?queue=nobody", f"{api}/alerts")
    yield from (f"{api}/deliveries", f"{api}/deliveries?state=failed", f"{api}/deliveries?call_id={call_id}")
    yield from (f"{api}/agents", f"{api}/queues", f"{api}/benefit", f"{api}/benefit?since=0", f"{api}/health")


async def measure(path: Path, new: bool, calls: int, repeat: int) -> list[Timing]:
    """Fill the database if it is new, and time every address."""
    settings = Settings(directory=str(path.parent))
    store = await Store.open(path)
    if new:
        print(f"filling {path} with {calls} calls", file=sys.stderr)
        fill(path, calls, DAYS, time.time())
    newest = (await store.views.calls(CallFilter(letter="A"), limit=1))[0]
    clocked, found = Clocked(), []
    metrics = Metrics()
    async with Tasks(metrics.count) as tasks:
        service = Service(settings, store, tasks, metrics)
        app = service.web_app(no_webhook)
        app.middlewares.insert(0, clocked.middleware())  # type: ignore[arg-type]
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with aiohttp.ClientSession(cookies=await session_cookie(store, settings)) as http:
            for address in addresses(newest.call_id, newest.started_at):
                found.append(await timed(http, url, address, repeat, clocked))
        await runner.cleanup()
    await store.close()
    return found


async def no_webhook(name: str):  # type: ignore[no-untyped-def]
    raise NotImplementedError(name)


async def session_cookie(store: Store, settings: Settings) -> dict[str, str]:
    accounts = store.accounts
    name = "benchmark"
    user = await accounts.user_named(name) or await accounts.add_user(name, "admin", None, None, BENCH)
    cookie = new_token()
    await accounts.add_session(token_hash(cookie), user, BENCH.address, "benchmark", BENCH)
    return {cookie_name(SESSION, settings.http): cookie}


async def timed(http: aiohttp.ClientSession, url: str, address: str, repeat: int, clocked: Clocked) -> Timing:
    """One address, after one request to warm up."""
    wall, cpu = [], []
    for number in range(repeat + 1):
        async with http.get(url + address, allow_redirects=False) as response:
            body = await response.read()
        if number == 0:
            first = clocked.wall_ms
        else:
            wall.append(clocked.wall_ms)
            cpu.append(clocked.cpu_ms)
    return Timing(
        address, response.status, len(body) / 1000, first, statistics.median(wall), p95(wall), p95(cpu)
    )


def p95(values: list[float]) -> float:
    """The nearest rank: of 20 values the 19th."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--database", type=Path, help="kept; default: a temporary one")
    parser.add_argument("--repeat", type=int, default=30)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = args.database or Path(directory) / "emocx.db"
        timings = asyncio.run(measure(path, not path.exists(), args.calls, args.repeat))
    worst = max(timing.p95_ms for timing in timings)
    if args.json:
        print(json.dumps({"calls": args.calls, "worst_p95_ms": worst, "goal_ms": GOAL_MS,
                          "timings": [asdict(timing) for timing in timings]}))  # fmt: skip
    else:
        head = ("first ms", "p50 ms", "p95 ms", "CPU p95")
        print(f"{'address':62} {'kB':>7}", *(f"{name:>9}" for name in head))
        for t in timings:
            times = (t.first_ms, t.p50_ms, t.p95_ms, t.cpu_p95_ms)
            print(f"{t.address[:62]:62} {t.kilobytes:7.1f}", *(f"{ms:9.1f}" for ms in times))
        print(f"worst p95 {worst:.1f} ms, goal {GOAL_MS:.0f} ms")
    failed = [timing.address for timing in timings if timing.status != 200]
    if failed:
        print(f"not answered with 200: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or worst > GOAL_MS else 0


if __name__ == "__main__":
    sys.exit(main())
