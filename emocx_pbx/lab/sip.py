"""Telephones of customers and agents: sipp playing recorded speech into real SIP calls.

sipp 3.6 sends raw mu-law by `rtp_stream`; its scenarios lie in sipp/. One process makes or takes many calls
at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import signal
import socket
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Template

from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.lab.asterisk import free_port
from emocx_pbx.lab.host import THIS_MACHINE, Host
from emocx_pbx.lab.lifetime import Started

_SCENARIOS = Path(__file__).parent / "sipp"
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class CallPlan:
    """One call of a customer."""

    extension: str
    """Extension in the context demo-in: route, listen, echo or queue-<name>."""
    query: str = ""
    """What the customer wrote; sent as X-Emocx-Query."""
    customer: str = ""
    """The CRM's key of the customer."""
    optout: bool = False
    number: str = "+4930123456"
    """Caller id."""

    def line(self) -> str:
        """The call as a line of sipp's injection file."""
        fields = (self.extension, self.query, self.customer, "1" if self.optout else "", self.number)
        return ";".join(" ".join(field.replace(";", ",").split()) for field in fields) + ";"


class _Sipp(Started):
    """A sipp process with its folder."""

    def __init__(self, port: int | None, host: Host = THIS_MACHINE) -> None:
        self._host = host
        self.port = port or free_port(socket.SOCK_DGRAM)
        self._process: asyncio.subprocess.Process | None = None
        self.directory = Path(tempfile.mkdtemp(prefix="emocx-sipp-"))

    async def _start(self, scenario: str, *options: str) -> None:
        binary = shutil.which("sipp")
        if binary is None:
            raise SettingsError("sipp is not installed: run scripts/install-asterisk.sh (make setup)")
        (self.directory / "scenario.xml").write_text(scenario)
        words = [binary, "-sf", "scenario.xml", "-i", "127.0.0.1", "-mi", "127.0.0.1", "-p", str(self.port)]
        words += ["-nostdin", "-aa", "-trace_err", "-error_file", "errors.log", *options]
        if shutil.which("setpriv"):
            words = ["setpriv", "--pdeathsig", "KILL", "--", *words]
        words = [*self._host.enter(), *words]
        with (self.directory / "output.log").open("wb") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, cwd=self.directory, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink
            )

    def errors(self) -> str:
        """What sipp has complained about so far."""
        log = self.directory / "errors.log"
        if not log.exists():
            log = self.directory / "output.log"
        return log.read_text(errors="replace") if log.exists() else ""

    async def stop(self) -> None:
        """End the process and all its calls at once."""
        process, self._process = self._process, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGKILL)
            await process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    async def start(self) -> None:
        """Begin to make or take calls."""
        raise NotImplementedError


def _scenario(name: str, **values: object) -> str:
    return Template((_SCENARIOS / name).read_text()).substitute(values)


class SippCustomers(_Sipp):
    """Customers who call, each playing `recording` (raw mu-law) until they hang up after `hold_s`.

    `async with SippCustomers(pbx.sip_port, recording, [CallPlan("route", "where is my parcel")]) as c:
    await c.wait()`.
    """

    def __init__(
        self,
        sip_port: int,
        recording: Path,
        calls: Sequence[CallPlan],
        *,
        hold_s: float = 20.0,
        rate: float = 10.0,
    ) -> None:
        super().__init__(None)
        self._sip_port = sip_port
        self._recording = recording
        self._calls = tuple(calls)
        self._hold_s = hold_s
        self._rate = rate

    async def start(self) -> None:
        """Begin to call, `rate` calls a second."""
        lines = ["SEQUENTIAL", *(call.line() for call in self._calls)]
        (self.directory / "calls.csv").write_text("\n".join(lines) + "\n")
        text = _scenario(
            "customer.xml", recording=self._recording.resolve(), hold_ms=round(1000 * self._hold_s)
        )
        count = str(len(self._calls))
        options = ["-inf", "calls.csv", "-m", count, "-l", count, "-r", f"{self._rate:g}"]
        await self._start(text, *options, f"127.0.0.1:{self._sip_port}")

    async def wait(self, deadline_s: float | None = None) -> None:
        """Wait until every call is over.

        Raises:
            PeerUnavailable: a call failed, or they are not over in time; the message has sipp's last line.
        """
        if self._process is None:
            return
        try:
            async with asyncio.timeout(deadline_s):
                code = await self._process.wait()
        except TimeoutError:
            raise PeerUnavailable(f"calls are not over after {deadline_s:g} s: {self._last()}") from None
        if code:
            raise PeerUnavailable(f"sipp ended with {code}: {self._last()}")

    def _last(self) -> str:
        return " | ".join(self.errors().split("\n")[-12:])[-1000:]


class SippAgents(_Sipp):
    """All agents' telephones: each answers after `answer_s` and plays `recording` (raw mu-law).

    They wait for the other side to hang up, or hang up themselves after `hold_s`; with `refer_to` they
    transfer the call to that extension `refer_s` after answering.
    """

    def __init__(
        self,
        port: int,
        recording: Path,
        *,
        answer_s: float = 0.3,
        hold_s: float | None = None,
        refer_to: str | None = None,
        refer_s: float = 5.0,
        host: Host = THIS_MACHINE,
    ) -> None:
        super().__init__(port, host)
        refer = ""
        if refer_to:
            refer = _scenario("refer.xml", refer_to=refer_to, refer_ms=round(1000 * refer_s))
        self._scenario = _scenario(
            "agent.xml",
            recording=recording.resolve(),
            answer_ms=round(1000 * answer_s),
            hold_ms=_DAY_MS if hold_s is None else round(1000 * hold_s),
            refer=refer,
        )

    async def start(self) -> None:
        """Begin to answer calls; returns when the port is taken.

        Raises:
            PeerUnavailable: sipp ended, or does not listen after 5 s.
        """
        await self._start(self._scenario)
        try:
            async with asyncio.timeout(5):
                while self._process is None or not _takes(self._process.pid, self.port):
                    if self._process is None or self._process.returncode is not None:
                        raise PeerUnavailable(f"sipp ended at once: {self.errors()[-500:]}")
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise PeerUnavailable(f"sipp does not listen on port {self.port}") from None


def _takes(pid: int, port: int) -> bool:
    """Whether anything in a process's own network listens on this UDP port."""
    table = Path(f"/proc/{pid}/net/udp")
    with contextlib.suppress(OSError):
        return any(line.split()[1].endswith(f":{port:04X}") for line in table.read_text().splitlines()[1:])
    return False
