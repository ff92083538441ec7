"""A private Asterisk on this machine: found, configured, started, queried and stopped.

Several can run side by side. Where the installer made a Debian tree, Asterisk runs in it by chroot;
the instance's directory then lies inside the tree, so nothing is ever mounted.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab import conf
from emocx_pbx.lab.host import THIS_MACHINE, Host
from emocx_pbx.lab.installation import Installation, cache_directory, find, free_port

__all__ = ["Installation", "PrivateAsterisk", "cache_directory", "find", "free_port"]

#: Instances' directories inside a tree.
INSTANCES = "srv/emocx"

_START_S = 30.0
_STOP_S = 10.0
_RTP_PORTS = 800
_NEVER_STARTED_S = 3600.0


class PrivateAsterisk:
    """An Asterisk of our own with PJSIP, queues and the dialplan, all on 127.0.0.1 (AMI on its host's own).

    `async with PrivateAsterisk(find(cache), agi="127.0.0.1:4573") as pbx: await pbx.cli("queue show")`.
    AMI users: `emocx` (as administrators get it) and `demo` (all rights), both with `config.secret`.
    """

    def __init__(
        self,
        installation: Installation,
        *,
        agi: str = "127.0.0.1:4573",
        queues: tuple[str, ...] = ("support", "care", "retention", "sales"),
        agents: int = 2,
        agent_port: int | None = None,
        parent: Path | None = None,
        host: Host = THIS_MACHINE,
    ) -> None:
        self.installation = installation
        self.host = host
        name = f"pbx-{secrets.token_hex(4)}"
        if installation.root is None:
            self._inside = str(Path(parent or tempfile.gettempdir()) / f"emocx-{name}")
        else:
            self._inside = f"/{INSTANCES}/{name}"
        self.directory = installation.outside(self._inside)
        rtp = random.randrange(11000, 30000, 2)
        self.config = conf.PbxConfig(
            directory=self._inside,
            modules=installation.modules,
            ami_port=free_port(),
            ami_bind=host.listens,
            ami_permit=host.network,
            sip_port=free_port(socket.SOCK_DGRAM),
            agent_port=agent_port or free_port(socket.SOCK_DGRAM),
            rtp_start=rtp,
            rtp_end=rtp + _RTP_PORTS,
            agi=agi,
            secret=secrets.token_hex(8),
            queues=queues,
            agents=agents,
        )
        self._process: asyncio.subprocess.Process | None = None
        self._runs = asyncio.Event()

    @property
    def ami_port(self) -> int:
        """Port of the manager interface."""
        return self.config.ami_port

    @property
    def sip_port(self) -> int:
        """UDP port that customers call."""
        return self.config.sip_port

    @property
    def agent_port(self) -> int:
        """UDP port where the agents' telephones have to answer."""
        return self.config.agent_port

    @property
    def secret(self) -> str:
        """Secret of the AMI users `emocx` and `demo`."""
        return self.config.secret

    @property
    def sounds(self) -> Path:
        """Folder of recordings that `Local/play-<name>@demo-customer/n` plays (<name>.ulaw, .wav or .sln)."""
        return self.directory / "sounds"

    @property
    def pid(self) -> int:
        """Asterisk's process.

        Raises:
            PeerUnavailable: it does not run.
        """
        try:
            return int((self.directory / "run/asterisk.pid").read_text())
        except (OSError, ValueError):
            raise PeerUnavailable("the private Asterisk does not run") from None

    def log(self) -> str:
        """What Asterisk has written to its log so far."""
        path = self.directory / "log/messages"
        return path.read_text(errors="replace") if path.exists() else ""

    async def __aenter__(self) -> PrivateAsterisk:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()
        self.remove()

    def write_config(self, **changes: object) -> None:
        """Write the configuration, with changes of PbxConfig's fields; `core reload` takes them over."""
        self.config = replace(self.config, **changes)  # type: ignore[arg-type]
        for name in ("db", "spool", "run", "log", "moh", "sounds", "etc"):
            (self.directory / name).mkdir(parents=True, exist_ok=True)
        hold = self.directory / "moh/hold.ulaw"
        if not hold.exists():
            hold.write_bytes(b"\xff" * 8000)
        conf.write(self.config, self.directory / "etc")

    async def start(self) -> None:
        """Start Asterisk and wait until it is fully booted.

        Raises:
            PeerUnavailable: it ended at once, or is not up within 30 s; the message has its last log lines.
        """
        remove_stale(self.installation)
        self.write_config()
        words = [
            *self.installation.enter(),
            self.installation.binary,
            "-f",
            "-C",
            f"{self._inside}/etc/asterisk.conf",
        ]
        if not self.installation.sudo and shutil.which("setpriv"):
            # Asterisk never outlives this process, however it ends.
            words = ["setpriv", "--pdeathsig", "KILL", "--", *words]
        words = [*self.host.enter(), *words]
        output = self.directory / "log/output"
        with output.open("ab") as sink:
            self._process = await asyncio.create_subprocess_exec(
                *words, stdin=asyncio.subprocess.DEVNULL, stdout=sink, stderr=sink, start_new_session=True
            )
        try:
            async with asyncio.timeout(_START_S):
                await self._until_booted(self._process)
        except TimeoutError:
            await self.stop()
            raise PeerUnavailable(f"Asterisk is not up after {_START_S:.0f} s: {self._tail()}") from None
        self._runs.set()

    async def _until_booted(self, process: asyncio.subprocess.Process) -> None:
        while True:
            if process.returncode is not None:
                raise PeerUnavailable(f"Asterisk ended with {process.returncode}: {self._tail()}")
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection(self.host.managed, self.ami_port)
                banner = await reader.readline()
                writer.close()
                if banner.startswith(b"Asterisk Call Manager"):
                    break
            await asyncio.sleep(0.05)
        await self.cli("core waitfullybooted")

    def _tail(self) -> str:
        output = self.directory / "log/output"
        text = (output.read_text(errors="replace") if output.exists() else "") + self.log()
        return " | ".join(text.strip().splitlines()[-3:])

    def _command(self) -> list[str]:
        configured = f"{self._inside}/etc/asterisk.conf"
        return [*self.installation.enter(), self.installation.binary, "-C", configured]

    async def cli(self, command: str, deadline_s: float = 15.0) -> str:
        """What Asterisk's command line answers.

        Raises:
            PeerUnavailable: Asterisk does not run or does not answer in time.
        """
        process = await asyncio.create_subprocess_exec(
            *self._command(),
            "-rx",
            command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            async with asyncio.timeout(deadline_s):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise PeerUnavailable(f"Asterisk did not answer '{command}' within {deadline_s:g} s") from None
        if process.returncode:
            raise PeerUnavailable(f"'{command}': {output.decode(errors='replace').strip()}")
        return output.decode(errors="replace")

    async def add_dialplan(self, text: str) -> None:
        """Add contexts to extensions.conf, in place of those added before."""
        (self.directory / "etc/extra.conf").write_text(text)
        await self.cli("dialplan reload")

    async def stop(self) -> None:
        """End Asterisk and all its calls; does nothing if it is not running."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End Asterisk by SIGKILL, as a crash would."""
        await self._end(signal.SIGKILL)

    async def restart(self) -> None:
        """Stop, and start again on the same ports."""
        await self.stop()
        await self.start()

    async def revivals(self) -> AsyncIterator[int]:
        """Start Asterisk again, on the same ports, each time it ends by itself; yields its exit status then.

        Raises:
            PeerUnavailable: as `start`.
        """
        while True:
            await self._runs.wait()
            process = self._process
            if process is None:
                continue
            status = await process.wait()
            if self._process is not process:
                continue  # it was to end
            self._runs.clear()
            (self.directory / "run/asterisk.pid").unlink(missing_ok=True)
            os.utime(self.directory)  # else it would be taken for what a crashed instance left
            await self.start()
            yield status

    async def _end(self, first: signal.Signals) -> None:
        process, self._process = self._process, None
        self._runs.clear()
        if process is None:
            return
        for number in (first, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError, PeerUnavailable):
                os.kill(self.pid if self.installation.sudo else process.pid, number)
            try:
                async with asyncio.timeout(_STOP_S):
                    await process.wait()
                break
            except TimeoutError:
                continue
        (self.directory / "run/asterisk.pid").unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete the instance's directory; Asterisk must have been stopped."""
        shutil.rmtree(self.directory, ignore_errors=True)


def remove_stale(installation: Installation) -> None:
    """Delete what crashed instances left behind: directories whose Asterisk no longer runs."""
    parent = installation.outside(f"/{INSTANCES}") if installation.root else Path(tempfile.gettempdir())
    pattern = "pbx-*" if installation.root else "emocx-pbx-*"
    for directory in parent.glob(pattern):
        with contextlib.suppress(OSError, ValueError):
            pid_file = directory / "run/asterisk.pid"
            if pid_file.exists():
                stale = not Path(f"/proc/{int(pid_file.read_text())}").exists()
            else:
                # Just starting, or never started.
                stale = time.time() - directory.stat().st_mtime > _NEVER_STARTED_S
            if stale:
                shutil.rmtree(directory, ignore_errors=True)
