"""`emocx-pbx serve` as a child process with settings of its own: for the demo, tests and benchmarks."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.asterisk import PrivateAsterisk, free_port
from emocx_pbx.lab.lifetime import Started, with_us

#: The policy that sends each emotion to a queue of PrivateAsterisk.
POLICY = Path(__file__).parent / "policy.toml"

_READY_S = 60.0
_STOP_S = 15.0


@dataclass(frozen=True, slots=True)
class Hook:
    """A receiver of the service's webhooks."""

    url: str
    secret: str
    events: Sequence[str] = ()
    name: str = "crm"


def _stands_by(said: Mapping[str, Any]) -> bool:
    """For each of its PBXes, with workers that are ready."""
    components = said.get("components", {})
    controllers = [one for name, one in components.items() if name.split()[0] == "controller"]
    stands_by = bool(controllers) and all(str(one["why"]).startswith("standby") for one in controllers)
    return stands_by and bool(components["analysis"]["up"])


class ServiceProcess(Started):
    """A controller with its workers beside a PrivateAsterisk, or beside several with names.

    `settings` overrides single settings by section: `{"analysis": {"workers": 2}}`.
    """

    def __init__(
        self,
        directory: Path,
        pbx: PrivateAsterisk,
        hooks: Sequence[Hook] = (),
        settings: Mapping[str, Mapping[str, Any]] | None = None,
        policy: Path = POLICY,
        pbxes: Mapping[str, PrivateAsterisk] | None = None,
    ) -> None:
        """`pbxes`: several PBXes by name, instead of the one `pbx`."""
        self.directory = directory
        self.http_port, self.agi_port = free_port(), free_port()
        self._pbxes = dict(pbxes or {"": pbx})
        self._hooks = tuple(hooks)
        self._settings: dict[str, dict[str, Any]] = {
            "asterisk": {},
            "agi": {"port": self.agi_port},
            "analysis": {"base_port": 0},
            "http": {"port": self.http_port, "open_to_this_machine": True, "check_minutes": 0},
            "store": {"path": "emocx.db"},
            "routing": {"policy": str(policy)},
            "dialling": {"country": "DE"},
            "log": {"format": "json"},
            "delivery": {"allow_networks": ["127.0.0.0/8"]},
        }
        for section, values in (settings or {}).items():
            self._settings.setdefault(section, {}).update(values)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def config(self) -> Path:
        """The settings file."""
        return self.directory / "emocx.toml"

    @property
    def url(self) -> str:
        """Where the HTTP API is."""
        return f"http://127.0.0.1:{self.http_port}"

    @property
    def pid(self) -> int:
        """The controller's process.

        Raises:
            PeerUnavailable: it does not run.
        """
        if self._process is None or self._process.returncode is not None:
            raise PeerUnavailable("the service does not run")
        return self._process.pid

    def log(self) -> str:
        """What the service has logged so far: JSON lines."""
        path = self.directory / "service.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def start(self, *, standby: bool = False) -> None:
        """Start it, point the dialplan at it, and wait until it says that it is ready.

        Args:
            standby: another controller acts: only wait until it says so.

        Raises:
            PeerUnavailable: it ended, or is not ready within 60 s; the message has its last log line.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        words = with_us(sys.executable, "-m", "emocx_pbx.cli", "serve", "--config", str(self.config))
        with (self.directory / "service.log").open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        try:
            if standby:
                await self.standing_by(_READY_S)
                return
            await self.answer_the_dialplan()
            await self.ready(_READY_S)
        except TimeoutError:
            await self.kill()
            raise PeerUnavailable(
                f"the service is not ready after {_READY_S:.0f} s: {self._tail()}"
            ) from None

    async def answer_the_dialplan(self) -> None:
        """Have Asterisk's dialplan ask this controller."""
        for name, pbx in self._pbxes.items():
            await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{self.agi_port}")
            if name:
                await pbx.cli(f"dialplan set global EMOCX_PBX {name}")

    async def standing_by(self, deadline_s: float = 20.0) -> None:
        """Wait until it says that another controller acts, and its workers are ready.

        Raises:
            PeerUnavailable: it ended, or does not run.
            TimeoutError: it does not say so in time.
        """
        if self._process is None:
            raise PeerUnavailable("the service does not run")
        async with asyncio.timeout(deadline_s):
            await self._until(self._process, _stands_by)

    async def ready(self, deadline_s: float = 20.0) -> None:
        """Wait until it says that it is ready: in touch with Asterisk, its store and its workers.

        Raises:
            PeerUnavailable: it ended, or does not run.
            TimeoutError: it does not say so in time.
        """
        if self._process is None:
            raise PeerUnavailable("the service does not run")
        async with asyncio.timeout(deadline_s):
            await self._until(self._process, lambda said: bool(said.get("ready")))

    async def until_health(self, component: str, up: bool, deadline_s: float = 20.0) -> Mapping[str, bool]:
        """Whether each component is up, once this one is as it should be.

        Raises:
            TimeoutError: it is not in time.
        """
        async with asyncio.timeout(deadline_s), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.url}/readyz") as answer:
                    reported = (await answer.json())["components"]
                found = {name: bool(one["up"]) for name, one in reported.items()}
                if found.get(component) is up:
                    return found
                await asyncio.sleep(0.05)

    async def until_component(self, component: str, why: str, deadline_s: float = 20.0) -> Mapping[str, str]:
        """What each component says of itself, once this one says `why`.

        Raises:
            TimeoutError: it does not in time.
        """
        async with asyncio.timeout(deadline_s), aiohttp.ClientSession() as http:
            while True:
                async with http.get(f"{self.url}/readyz") as answer:
                    reported = (await answer.json())["components"]
                found = {name: str(one["why"]) for name, one in reported.items()}
                if found.get(component) == why:
                    return found
                await asyncio.sleep(0.05)

    async def until_call(
        self, call_id: str, so: Callable[[Mapping[str, Any]], bool], deadline_s: float = 20.0
    ) -> Mapping[str, Any]:
        """A call as the API tells it, once it is as it should be.

        It is asked a few times a second, as the API limits requests.

        Raises:
            TimeoutError: it is not in time.
        """
        url = f"{self.url}/api/v1/calls/{quote(call_id, safe='')}"
        async with asyncio.timeout(deadline_s), aiohttp.ClientSession() as http:
            while True:
                async with http.get(url) as answer:
                    call = await answer.json() if answer.status == 200 else None
                if call is not None and so(call):
                    return dict(call)
                await asyncio.sleep(0.25)

    def _write_settings(self) -> None:
        lines = []
        for name, pbx in self._pbxes.items():
            link = {"port": pbx.ami_port, "secret": pbx.secret, **self._settings["asterisk"]}
            link |= {"name": name} if name else {}
            lines += ["[[asterisk]]" if name else "[asterisk]"]
            lines += [*(f"{k} = {json.dumps(v)}" for k, v in link.items()), ""]
        for section, values in self._settings.items():
            if section == "asterisk":
                continue
            lines += [f"[{section}]", *(f"{k} = {json.dumps(v)}" for k, v in values.items()), ""]
        for hook in self._hooks:
            lines += ["[[webhooks]]", f"name = {json.dumps(hook.name)}", f"url = {json.dumps(hook.url)}"]
            lines += [f"secret = {json.dumps(hook.secret)}", f"events = {json.dumps(list(hook.events))}", ""]
        self.config.write_text("\n".join(lines))

    async def _until(
        self, process: asyncio.subprocess.Process, so: Callable[[Mapping[str, Any]], bool]
    ) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while True:
                if process.returncode is not None:
                    raise PeerUnavailable(f"the service ended with {process.returncode}: {self._tail()}")
                with contextlib.suppress(aiohttp.ClientError, TimeoutError, ValueError):
                    async with session.get(f"{self.url}/readyz") as response:
                        if so(await response.json()):
                            return
                await asyncio.sleep(0.05)

    def _tail(self) -> str:
        return " | ".join(self.log().strip().splitlines()[-3:])

    def freeze(self) -> None:
        """Freeze the controller and its workers (SIGSTOP)."""
        os.killpg(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on (SIGCONT)."""
        os.killpg(self.pid, signal.SIGCONT)

    async def kill(self, *, workers: bool = True) -> None:
        """End the controller and its workers by SIGKILL, as a power cut would; or the controller alone."""
        if self._process is not None and self._process.returncode is None:
            (os.killpg if workers else os.kill)(self._process.pid, signal.SIGKILL)
            await self._process.wait()
        self._process = None

    async def stop(self) -> None:
        """End it in an orderly way; by force after 15 s."""
        process = self._process
        if process is None or process.returncode is not None:
            self._process = None
            return
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await process.wait()
        await self.kill()
