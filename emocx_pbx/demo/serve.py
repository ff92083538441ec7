"""`emocx-pbx serve` as a process of its own, wired to a private Asterisk: for demo, tests, benchmarks."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from emocx_pbx.demo.asterisk import PrivateAsterisk, free_port
from emocx_pbx.errors import PeerUnavailable

#: Queues of the private Asterisk by the signals in the query.
POLICY = """
default_queue = "support"

[[rules]]
name = "angry to care"
emotion = ["angry"]
queue = "care"
priority = 10

[[rules]]
name = "disappointed to retention"
emotion = ["disappointed"]
queue = "retention"
priority = 5

[[rules]]
name = "happy to sales"
emotion = ["happy"]
queue = "sales"
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A receiver of the service's webhooks."""

    url: str
    secret: str
    name: str = "crm"
    events: Sequence[str] = ()


@dataclass(slots=True)
class ServiceProcess:
    """`async with ServiceProcess(pbx, folder, [Endpoint(...)]) as service:` runs until left.

    Its settings, policy, database and log lie in `folder`, and outlive a `kill` and a new `start`.
    """

    pbx: PrivateAsterisk
    folder: Path
    endpoints: Sequence[Endpoint] = ()
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Further settings by section, e.g. {"analysis": {"speech_model": "mlp"}}."""
    policy: str = POLICY
    http_port: int = field(default_factory=free_port)
    agi_port: int = field(default_factory=free_port)
    _process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The controller's process id."""
        if self._process is None:
            raise PeerUnavailable("the service was not started")
        return self._process.pid

    @property
    def url(self) -> str:
        """Where its HTTP server listens."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def settings_file(self) -> Path:
        """Its settings, for other commands (`--config`)."""
        return self.folder / "emocx.toml"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def write_settings(self) -> None:
        """Write settings and policy; `start` does it too."""
        sections: dict[str, dict[str, Any]] = {
            "asterisk": {"port": self.pbx.ami_port, "secret": self.pbx.secret},
            "agi": {"port": self.agi_port},
            "analysis": {"base_port": 0},
            "http": {"port": self.http_port},
            "routing": {"policy": "policy.toml"},
            "log": {"format": "json"},
        }
        for section, values in self.changes.items():
            sections.setdefault(section, {}).update(values)
        lines: list[str] = []
        for section, values in sections.items():
            # JSON of these values is also TOML.
            lines += [f"[{section}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
        for endpoint in self.endpoints:
            lines += ["[[webhooks]]", f'name = "{endpoint.name}"', f'url = "{endpoint.url}"']
            lines += [f'secret = "{endpoint.secret}"', f"events = {json.dumps(list(endpoint.events))}"]
        self.settings_file.write_text("\n".join(lines) + "\n")
        (self.folder / "policy.toml").write_text(self.policy)

    async def start(self, deadline_s: float = 60.0, ready: bool = True) -> None:
        """Start it, let the dialplan find it, and wait until it is ready.

        Raises:
            PeerUnavailable: it ended, or is not ready in time; with the last line of its log.
        """
        self.write_settings()
        await self.pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{self.agi_port}")
        words = [sys.executable, "-m", "emocx_pbx.cli", "serve", "--config", str(self.settings_file)]
        with (self.folder / "service.log").open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink
            )
        if not ready:
            return
        try:
            async with asyncio.timeout(deadline_s), aiohttp.ClientSession() as session:
                while not await self._is_ready(session):
                    if self._process.returncode is not None:
                        raise PeerUnavailable(f"the service ended: {self._last_line()}")
                    await asyncio.sleep(0.05)
        except TimeoutError:
            await self.stop()
            raise PeerUnavailable(
                f"the service is not ready after {deadline_s:g} s: {self._last_line()}"
            ) from None

    async def _is_ready(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/readyz") as answer:
                report = await answer.json()
                return bool(report["ready"]) and {"asterisk", "analysis"} <= set(report["components"])
        except aiohttp.ClientError:
            return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the controller, e.g. SIGSTOP."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """Kill -9 of the controller."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    async def stop(self) -> None:
        """An orderly stop; killed after 15 s."""
        if self._process is None or self._process.returncode is not None:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(15):
                await self._process.wait()
        except TimeoutError:
            await self.kill()

    def log_lines(self) -> list[dict[str, Any]]:
        """The log so far; lines that are no JSON (tracebacks) as {"text": ...}."""
        path = self.folder / "service.log"
        lines = path.read_text(errors="replace").splitlines() if path.exists() else []
        return [json.loads(line) if line.startswith("{") else {"text": line} for line in lines]

    def _last_line(self) -> str:
        lines = [line for line in self.log_lines() if line]
        return str(lines[-1]) if lines else "no log"
