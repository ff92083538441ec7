"""Time of every page and every list of the API over many stored calls.

    python -m benchmarks.pages [--calls 100000] [--database FILE] [--repeat 30] [--warm 30] [--json]

Fills a database as a call centre would in 90 days (kept under --database for the next run), starts
`emocx-pbx serve` on it, and asks for each page as a browser would. The time is from a request to its answer's
end, on loopback; CPU is what the web process used for it, in all threads: on a shared machine that is what
the other programs did not take. "first" is the first request of all, --warm seconds after the start, in which
the sums that pages offer are made. Exit status 1 if any first time or p95 is over 100 ms.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp

from benchmarks.many_calls import AGENTS, QUEUES, fill
from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.settings.settings import load
from emocx_pbx.store.account_rows import Actor, Role
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import CallFilter
from emocx_pbx.web.identity.passwords import new_token, token_hash
from emocx_pbx.web.identity.sessions import SESSION, cookie_name

GOAL_MS = 100.0
DAYS = 90.0
BENCH = Actor("benchmark", "127.0.0.1")
START_S = 60.0
SETTINGS = """
[asterisk]
port = {ami}
[agi]
port = {agi}
[analysis]
base_port = 0
text_model = "off"
speech_model = "off"
transcriber = "off"
[http]
port = {http}
open_to_this_machine = true
api_requests_per_minute = 0
[store]
path = "{path}"
"""


@dataclass(frozen=True, slots=True)
class Timing:
    """One address."""

    address: str
    status: int
    kilobytes: float
    first_ms: float
    """Of the first request."""
    p50_ms: float
    p95_ms: float
    cpu_p95_ms: float


class WebProcess:
    """What the service's web process used of the processors so far."""

    def __init__(self, controller: int) -> None:
        children = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
        lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children}
        self.pid = next(pid for pid, line in lines.items() if b"emocx_pbx.web.process" in line)

    def cpu_ms(self) -> float:
        """Of all its threads, in milliseconds (proc(5), schedstat: nanoseconds on a processor)."""
        tasks = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks) / 1e6


WHO: Final = ("admin", "team", "no calls", "agent")
"""Who asks: an administrator, supervisors of one queue and of one without calls, and an agent."""


def seen_by_some(call_id: str) -> Iterator[tuple[str, str]]:
    """What costs more for those who don't see everything."""
    for who in ("team", "no calls"):
        yield from ((who, "/calls"), (who, "/calls?letter=E&arrived_as=happy"), (who, "/queues"))
        yield from ((who, "/api/v1/grades"), (who, "/api/v1/decisions"), (who, "/api/v1/deliveries"))
        yield who, "/api/v1/alerts"
    yield from (("agent", "/calls"), ("agent", "/calls?search=nobody"), ("agent", f"/calls/{call_id}"))
    yield from (("agent", "/agents/me"), ("agent", "/api/v1/grades?letter=E"))


def addresses(call_id: str, now: float) -> Iterator[str]:
    """Every page, and lists by filters that find much, little and nothing."""
    agent = quote(AGENTS[7])
    yield from ("/admin/webhooks", "/admin/audit", "/calls?only=open", "/calls?queue=nobody")
    yield from ("/calls?search=crm-39999", "/calls?only=disputed&letter=A", "/calls?pbx=nowhere")
    yield from ("/live", "/account", "/admin")
    yield from (
        "/calls",
        f"/calls?agent={agent}",
        "/calls?arrived_as=angry&left_as=happy&letter=E",
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
    yield from (f"{api}/calls?arrived_as=angry&left_as=happy&letter=E&alert=true", f"{api}/calls/{call_id}")
    yield from (
        f"{api}/grades?limit=200",
        f"{api}/grades?agent={agent}&letter=E",
        f"{api}/grades?disputed=true",
    )
    yield from (f"{api}/decisions", f"{api}/decisions?queue=nobody", f"{api}/alerts")
    yield from (f"{api}/calls?outcome=voicemail", f"{api}/calls?pbx=nowhere", f"{api}/grades?agent=nobody")
    yield from (f"{api}/grades?queue=nobody", f"{api}/decisions?status=optout&emotion=happy")
    yield from (f"{api}/deliveries?receiver=nobody", f"{api}/deliveries?receiver=crm&state=failed")
    yield from (f"{api}/deliveries?type=nothing", f"{api}/deliveries?state=pending")
    yield from (f"{api}/deliveries", f"{api}/deliveries?state=failed", f"{api}/deliveries?call_id={call_id}")
    yield from (f"{api}/agents", f"{api}/queues", f"{api}/benefit", f"{api}/benefit?since=0", f"{api}/health")


async def measure(path: Path, new: bool, calls: int, repeat: int, warm_s: float) -> list[Timing]:
    """Fill the database if it is new, serve it, and time every address."""
    if new:
        await (await Store.open(path)).close()
        print(f"filling {path} with {calls} calls", file=sys.stderr)
        fill(path, calls, DAYS, time.time())
    port = free_port()
    config = path.with_name("emocx.toml")
    config.write_text(SETTINGS.format(ami=free_port(), agi=free_port(), http=port, path=path.name))
    found, url = [], f"http://127.0.0.1:{port}"
    cookies = await session_cookies(path, config)
    words = (sys.executable, "-m", "emocx_pbx.cli", "serve", "--config", str(config))
    with path.with_name("pages.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(*words, stdout=log, stderr=log)
        try:
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
                await until_it_answers(http, url)
                await asyncio.sleep(warm_s)
                web = WebProcess(process.pid)
                store = await Store.open(path, migrating=False)
                which = CallFilter(letter="A", agent=AGENTS[7])
                newest = (await store.lists.calls(which, limit=1))[0]
                await store.close()
                asked = [("admin", address) for address in addresses(newest.call_id, newest.started_at)]
                for who, address in (*asked, *seen_by_some(newest.call_id)):
                    found.append(await timed(http, url, who, address, cookies[who], repeat, web))
        finally:
            process.terminate()
            await process.wait()
    return found


async def until_it_answers(http: aiohttp.ClientSession, url: str) -> None:
    """Without an Asterisk it never says that it is ready, but it answers."""
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(aiohttp.ClientError):
                async with http.get(f"{url}/healthz") as response:
                    if response.status == 200:
                        return
            await asyncio.sleep(0.2)


async def session_cookies(path: Path, config: Path) -> dict[str, str]:
    """Cookie headers of those in WHO, who are logged in."""
    roles: dict[str, tuple[Role, str | None, tuple[str, ...] | None]] = {
        "admin": ("admin", None, None),
        "team": ("supervisor", None, (QUEUES[0],)),
        "no calls": ("supervisor", None, ("a queue without calls",)),
        "agent": ("agent", AGENTS[7], None),
    }
    store, found = await Store.open(path), {}
    accounts, name = store.accounts, cookie_name(SESSION, load(config, {}).http)
    for who in WHO:
        user = await accounts.user_named(f"benchmark-{who}")
        if user is None:
            role, agent, queues = roles[who]
            user = await accounts.add_user(f"benchmark-{who}", role, agent, None, BENCH, queues)
        cookie = new_token()
        await accounts.add_session(token_hash(cookie), user, BENCH.address, "benchmark", BENCH)
        found[who] = f"{name}={cookie}"
    await store.close()
    return found


async def timed(
    http: aiohttp.ClientSession, url: str, who: str, address: str, cookie: str, repeat: int, web: WebProcess
) -> Timing:
    """One address, after one request to warm up."""
    wall, cpu = [], []
    for _ in range(repeat + 1):
        began, used = time.perf_counter(), web.cpu_ms()
        async with http.get(url + address, headers={"Cookie": cookie}, allow_redirects=False) as response:
            body = await response.read()
        wall.append(1e3 * (time.perf_counter() - began))
        cpu.append(web.cpu_ms() - used)
    first, *rest = wall
    kilobytes = len(body) / 1000
    shown = address if who == "admin" else f"{address} ({who})"
    return Timing(shown, response.status, kilobytes, first, statistics.median(rest), p95(rest), p95(cpu[1:]))


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
    parser.add_argument("--warm", type=float, default=30.0, metavar="SECONDS")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = args.database or Path(directory) / "emocx.db"
        timings = asyncio.run(measure(path, not path.exists(), args.calls, args.repeat, args.warm))
    worst = max(timing.p95_ms for timing in timings)
    first = max(timing.first_ms for timing in timings)
    if args.json:
        found = {"calls": args.calls, "worst_p95_ms": worst, "worst_first_ms": first, "goal_ms": GOAL_MS}
        print(json.dumps(found | {"timings": [asdict(timing) for timing in timings]}))
    else:
        head = ("first ms", "p50 ms", "p95 ms", "CPU p95")
        print(f"{'address':62} {'kB':>7}", *(f"{name:>9}" for name in head))
        for t in timings:
            times = (t.first_ms, t.p50_ms, t.p95_ms, t.cpu_p95_ms)
            print(f"{t.address[:62]:62} {t.kilobytes:7.1f}", *(f"{ms:9.1f}" for ms in times))
        print(f"worst first {first:.1f} ms, worst p95 {worst:.1f} ms, goal {GOAL_MS:.0f} ms")
    failed = [timing.address for timing in timings if timing.status != 200]
    if failed:
        print(f"not answered with 200: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed or max(worst, first) > GOAL_MS else 0


if __name__ == "__main__":
    sys.exit(main())
