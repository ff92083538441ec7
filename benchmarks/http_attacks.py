"""Whether callers' decisions stay quick while HTTP is attacked: p50 and p99, and the log's growth.

    python -m benchmarks.http_attacks [--seconds 15] [--rate 20] [--attacks codec,gzip] [--json]

`emocx-pbx serve` runs with its text model, alone: no Asterisk. FastAGI is asked for decisions at a steady
rate, as a dialplan would, in peace before and after, and under each attack, all on loopback. The attacker is
a process of its own at the lowest priority: elsewhere it would take no core from us. About 3 minutes; exits 1
if a decision failed or the p99 under an attack is over 50 ms, 2 if it is so in peace: then this machine has
other things to do, and nothing can be said. The attacks:

    codec      forms of 30 kB in punycode, on /chat and /login
    gzip       JSON of 1 MB that would unfold to 1 GB
    idle       as many connections as the machine lets us open, which say nothing, or half of a header
    logins     wrong passwords on /login, from many connections
    tokens     wrong bearer tokens
    feeds      live feeds without end, by a valid token
    slow       bodies that come a byte at a time
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gzip
import itertools
import json
import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import aiohttp

from emocx_pbx.lab.installation import free_port
from emocx_pbx.web.identity.sessions import form_token

TOKEN: Final = "benchmark-token-of-more-than-24"
#: Connections of an attack at once, but for `idle`.
AT_ONCE: Final = 40
IDLE: Final = 3_000
#: Requests of an attack in a second at most: it shares the machine with what it attacks.
PRESSURE: Final = 100
#: They ask in turn: without an Asterisk nobody joins a queue, and calls that never do are bounded.
CALLERS = 1000
GOAL_MS: Final = 50.0


@dataclass(frozen=True, slots=True)
class Measured:
    """Decisions under one attack."""

    attack: str
    decisions: int
    failed: int
    """Not answered with a decision within 2 s."""
    p50_ms: float
    p99_ms: float
    attempts: int
    """Requests or connections of the attack, as they were begun."""
    log_kb_s: float
    alive: bool
    """Whether the service still runs and answers HTTP afterwards."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is attacked."""

    http: int
    """Its port on loopback."""


class Server:
    """`emocx-pbx serve` of its own."""

    def __init__(self, folder: Path) -> None:
        self.http, self.agi, self.folder = free_port(), free_port(), folder
        self.log = folder / "service.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it, and wait until it decides."""
        config = self.folder / "emocx.toml"
        config.write_text(
            f'[asterisk]\nport = {free_port()}\nsecret = "x"\n[agi]\nport = {self.agi}\n'
            '[analysis]\nbase_port = 0\nspeech_model = "off"\ntranscriber = "off"\n'
            f'[http]\nport = {self.http}\napi_token = "{TOKEN}"\n'
            '[chat]\nmode = "public"\n[log]\nformat = "json"\n'
        )
        config.chmod(0o600)
        with self.log.open("wb") as sink:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "emocx_pbx.cli",
                "serve",
                "--config",
                str(config),
                stdout=sink,
                stderr=sink,
            )
        async with asyncio.timeout(60):
            while not await self.answers() or await decision(self.agi, 0) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)

    async def answers(self) -> bool:
        """Whether /healthz is answered within 5 s."""
        try:
            timeout = aiohttp.ClientTimeout(total=5)
            url = f"http://127.0.0.1:{self.http}/healthz"
            async with aiohttp.ClientSession(timeout=timeout) as http, http.get(url) as answer:
                return answer.status == 200
        except (aiohttp.ClientError, TimeoutError, OSError):
            return False

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.returncode is None

    async def stop(self) -> None:
        """End it."""
        if self._process is not None and self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(15):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()


async def decision(port: int, number: int) -> float | None:
    """Milliseconds until a decision on a text is set; None: there was none."""
    begin = time.perf_counter()
    variables = {"EMOCX_QUERY": f"nobody answers, I am furious {number}"}
    found = False
    try:
        async with asyncio.timeout(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"agi_network_script: route\nagi_uniqueid: {os.getpid()}.{number % CALLERS}\n"
                f"agi_channel: PJSIP/bench-{number}\n\n".encode()
            )
            while line := (await reader.readline()).decode():
                if got := re.match(r'GET FULL VARIABLE "(.+)"', line):
                    values = re.sub(r"\$\{([^}]+)\}", lambda name: variables.get(name[1], ""), got[1])
                    writer.write(f"200 result=1 ({values})\n".encode())
                else:
                    found = found or "EMOCX_STATUS=ok" in line or "EMOCX_STATUS=default" in line
                    writer.write(b"200 result=0\n")
            writer.close()
    except (TimeoutError, OSError):
        return None
    return 1000 * (time.perf_counter() - begin) if found else None


Attack = Callable[["Target", Callable[[], None]], Awaitable[None]]


async def _requests(
    server: Target, hit: Callable[[], None], make: Callable[[int], bytes], wait_s: float
) -> None:
    """Raw requests, AT_ONCE at a time, until cancelled."""
    numbers = itertools.count()

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(wait_s):
                    reader, writer = await asyncio.open_connection("127.0.0.1", server.http)
                    try:
                        writer.write(make(next(numbers)))
                        hit()
                        await reader.read()
                    finally:
                        writer.close()
            await asyncio.sleep(AT_ONCE / PRESSURE)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(one())


def _post(path: str, body: bytes, *headers: str) -> bytes:
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Connection: close",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def codec(server: Target, hit: Callable[[], None]) -> None:
    """Forms in punycode."""
    kind = "Content-Type: application/x-www-form-urlencoded; charset=punycode"
    bodies = [_post(path, b"text=" + b"-a" * 15_000, kind) for path in ("/chat", "/login")]
    await _requests(server, hit, lambda n: bodies[n % 2], 20)


async def packed(server: Target, hit: Callable[[], None]) -> None:
    """Bodies that would unfold to a gigabyte."""
    bomb = gzip.compress(bytes(1 << 20), 9) * 1024  # members in a row: 1 MB that unfolds to 1 GB
    body = _post("/api/v1/queries", bomb, "Content-Type: application/json", "Content-Encoding: gzip")
    await _requests(server, hit, lambda n: body, 20)


async def idle(server: Target, hit: Callable[[], None]) -> None:
    """Connections that say nothing, made again when they are closed."""
    half = [b"", b"GET / HTTP/1.1\r\nHost: "]

    async def one(n: int) -> None:
        while True:
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", server.http)
                hit()
                try:
                    writer.write(half[n % 2])
                    await reader.read()
                finally:
                    writer.close()
            await asyncio.sleep(10)

    async with asyncio.TaskGroup() as group:
        for n in range(IDLE):
            group.create_task(one(n))


async def logins(server: Target, hit: Callable[[], None]) -> None:
    """Wrong passwords for many names."""

    def make(n: int) -> bytes:
        body = f"csrf={form_token('seed')}&name=user{n}&password=wrong+wrong".encode()
        kind = "Content-Type: application/x-www-form-urlencoded"
        return _post("/login", body, kind, "Cookie: emocx-form=seed")

    await _requests(server, hit, make, 20)


async def tokens(server: Target, hit: Callable[[], None]) -> None:
    """Wrong tokens."""
    head = "GET /api/v1/calls HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\nAuthorization: Bearer "
    await _requests(server, hit, lambda n: f"{head}guess-{n}\r\n\r\n".encode(), 20)


async def feeds(server: Target, hit: Callable[[], None]) -> None:
    """Live feeds of one token, as many as there are."""
    head = (
        "GET /api/v1/live/events HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
        f"Authorization: Bearer {TOKEN}\r\n\r\n"
    )
    await _requests(server, hit, lambda n: head.encode(), 60)


async def slow(server: Target, hit: Callable[[], None]) -> None:
    """Bodies of which a byte comes each second."""

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", server.http)
                hit()
                try:
                    writer.write(b"POST /chat HTTP/1.1\r\nHost: x\r\nContent-Length: 30000\r\n\r\n")
                    while not writer.is_closing():
                        writer.write(b"a")
                        await writer.drain()
                        await asyncio.sleep(1)
                finally:
                    writer.close()
            await asyncio.sleep(10 * AT_ONCE / PRESSURE)

    async with asyncio.TaskGroup() as group:
        for _ in range(10 * AT_ONCE):
            group.create_task(one())


ATTACKS: Final[dict[str, Attack]] = {
    "codec": codec, "gzip": packed, "idle": idle, "logins": logins, "tokens": tokens, "feeds": feeds,
    "slow": slow,
}  # fmt: skip


async def attack_for(name: str, port: int, seconds: float) -> int:
    """Attack for a time; the number of attempts."""
    attempts = 0

    def hit() -> None:
        nonlocal attempts
        attempts += 1

    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ATTACKS[name](Target(port), hit)
    return attempts


async def _attacker(name: str, port: int, seconds: float) -> asyncio.subprocess.Process:
    """The attack in a process of its own, begun."""
    attacker = await asyncio.create_subprocess_exec(
        "nice", "-n", "19", sys.executable, "-m", "benchmarks.http_attacks",
        "--attacker", name, "--port", str(port), "--seconds", str(seconds),
        stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert attacker.stdout is not None
    await attacker.stdout.readline()  # it has begun
    return attacker


async def measure(server: Server, attack: str, seconds: float, rate: float) -> Measured:
    """Decisions at a steady rate, in peace (attack "none" or "after") or under an attack."""
    numbers = itertools.count(int(1000 * time.time()))
    attacker = None
    if attack in ATTACKS:
        attacker = await _attacker(attack, server.http, seconds + 2.0)
        await asyncio.sleep(1.0)
    size, asked, begin = server.log.stat().st_size, [], time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        asked.append(asyncio.create_task(decision(server.agi, next(numbers))))
        await asyncio.sleep(max(0.0, len(asked) / rate - passed))
    times = await asyncio.gather(*asked)
    grown = (server.log.stat().st_size - size) / 1000 / seconds
    attempts = 0
    if attacker is not None:
        said, _ = await attacker.communicate()
        attempts = int(said or b"0")
    done = sorted(t for t in times if t is not None)
    await asyncio.sleep(1.0)
    return Measured(
        attack, len(times), len(times) - len(done), _at(done, 0.5), _at(done, 0.99), attempts,
        round(grown, 1), server.alive and await server.answers(),
    )  # fmt: skip


def _at(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(share * len(values)))], 1) if values else float("nan")


async def run(attacks: list[str], seconds: float, rate: float) -> list[Measured]:
    """Measure in peace and under each attack, one after the other on the same service."""
    found = []
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder))
        try:
            await server.start()
            for attack in ("none", *attacks, "after"):
                found.append(await measure(server, attack, seconds, rate))
                print(f"{attack}: measured", file=sys.stderr, flush=True)
        finally:
            await server.stop()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=15.0, help="of each attack")
    parser.add_argument("--rate", type=float, default=20.0, help="decisions a second")
    parser.add_argument("--attacks", default=",".join(ATTACKS), help="which, with commas")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--attacker", choices=ATTACKS, help="only attack: what this starts by itself")
    parser.add_argument("--port", type=int, help="what is attacked then")
    args = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65_536) if hard > 0 else 65_536, hard))
    if args.attacker:
        print("begun", flush=True)
        print(asyncio.run(attack_for(args.attacker, args.port, args.seconds)), flush=True)
        return 0
    found = asyncio.run(run(args.attacks.split(","), args.seconds, args.rate))
    if args.json:
        print(json.dumps([asdict(each) for each in found]))
    else:
        names = ("decisions", "failed", "p50 ms", "p99 ms", "of peace", "attempts", "log kB/s")
        print(f"{'attack':8}", *(f"{name:>9}" for name in names), " after")
        peace = max(m.p99_ms for m in found if m.attack not in ATTACKS)
        for m in found:
            ratio = round(m.p99_ms / peace, 2)
            values = (m.decisions, m.failed, m.p50_ms, m.p99_ms, ratio, m.attempts, m.log_kb_s)
            print(f"{m.attack:8}", *(f"{v:9}" for v in values), " answers" if m.alive else " DOWN")
        load, cores = os.getloadavg()[0], os.cpu_count()
        print(f"load {load:.1f} on {cores} cores at the end, {args.rate:g} decisions a second")
    attacked = [m for m in found if m.attack in ATTACKS]
    if any(m.failed or m.p99_ms >= GOAL_MS for m in found if m.attack not in ATTACKS):
        return 2
    return 0 if all(m.alive and not m.failed and m.attempts and m.p99_ms < GOAL_MS for m in attacked) else 1


if __name__ == "__main__":
    sys.exit(main())
