"""A private PostgreSQL on this machine: created, started, frozen, killed, and started again.

It listens on a free port of 127.0.0.1 (or on a host of the lab), trusts whoever connects, and does not guard
against power cuts (fsync off). Nothing of it outlives the process that started it.
"""

from __future__ import annotations

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.host import THIS_MACHINE, Host
from emocx_pbx.lab.installation import free_port
from emocx_pbx.lab.lifetime import end_process

#: Where Debian and its relatives put the server, which is not on PATH; the newest version is used.
_DEBIAN: Final = Path("/usr/lib/postgresql")
OLDEST: Final = 15
_START_S: Final = 20.0
_STOP_S: Final = 10.0
#: initdb and postgres refuse to run as root; this user comes with the package.
_USER: Final = "postgres"


def binaries() -> Path:
    """The folder with `initdb` and `postgres`.

    Raises:
        PeerUnavailable: there is no PostgreSQL 15 or newer.
    """
    found = [(int(path.name), path / "bin") for path in _DEBIAN.glob("*") if path.name.isdigit()]
    if on_path := shutil.which("postgres"):
        said = subprocess.run([on_path, "--version"], capture_output=True, text=True, check=True).stdout
        if match := re.search(r"\) (\d+)", said):
            found.append((int(match[1]), Path(on_path).parent))
    version, folder = max(found, default=(0, Path()))
    if version < OLDEST:
        raise PeerUnavailable("there is no PostgreSQL 15 or newer: run scripts/install-postgresql.sh")
    return folder


class PrivatePostgres:
    """A server of our own; `with PrivatePostgres() as server: server.url("emocx")`."""

    def __init__(self, *, durable: bool = False, host: Host = THIS_MACHINE) -> None:
        self.host = host
        self.port = free_port()
        self._durable = durable
        self._folder = Path(tempfile.mkdtemp(prefix="emocx-postgres-"))
        self._binaries = binaries()
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivatePostgres:
        try:
            self._make()
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def url(self, database: str = "postgres") -> str:
        """Address of one of its databases."""
        return f"postgresql://emocx@{self.host.address}:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Id of the server's process; 0: there is none."""
        return self._server.pid if self._server is not None else 0

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._server is not None and self._server.poll() is None

    def start(self) -> None:
        """Start it and wait until it takes connections.

        Raises:
            PeerUnavailable: it did not come up in time; says the end of its log.
        """
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [*self.host.enter(), *self._as_user(die=True),
                 str(self._binaries / "postgres"), "-D", str(self._data)],
                stdout=log, stderr=log, cwd="/",
            )  # fmt: skip
        ends = time.monotonic() + _START_S
        while time.monotonic() < ends and self._server.poll() is None:
            with suppress(OSError), socket.create_connection((self.host.managed, self.port), 0.2):
                if "ready to accept connections" in self._log.read_text(errors="replace"):
                    return
            time.sleep(0.02)
        raise PeerUnavailable(f"PostgreSQL did not start: {self._log.read_text(errors='replace')[-500:]}")

    def stop(self) -> None:
        """Stop it as an administrator does (fast shutdown)."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """End it as a crash would: at once, with all processes that serve connections."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._end(signal.SIGKILL)
        # A killed server leaves its lock behind.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Freeze all of its processes: connections stay open and say nothing."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self._processes():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def close(self) -> None:
        """Stop it, and remove everything it had."""
        with suppress(OSError):
            self.thaw()
        self._end(signal.SIGINT)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._folder / "data"

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _make(self) -> None:
        if os.geteuid() == 0:
            user = pwd.getpwnam(_USER)
            os.chown(self._folder, user.pw_uid, user.pw_gid)
        made = subprocess.run(
            [*self._as_user(), str(self._binaries / "initdb"), "-D", str(self._data), "-A", "trust",
             "-U", "emocx", "-E", "UTF8", "--locale=C", "--no-sync"],
            capture_output=True, cwd="/", check=False,
        )  # fmt: skip
        if made.returncode:
            raise PeerUnavailable(f"initdb: {made.stderr.decode(errors='replace').strip()}")
        lines = [
            f"listen_addresses = '{self.host.listens}'",
            f"port = {self.port}",
            f"unix_socket_directories = '{self._folder}'",
            "max_connections = 200",
            "shared_buffers = 32MB",
            *([] if self._durable else ["fsync = off", "full_page_writes = off", "autovacuum = off"]),
        ]
        with (self._data / "postgresql.conf").open("a", encoding="utf-8") as conf:
            conf.write("\n".join(lines) + "\n")
        if not self.host.alone:
            with (self._data / "pg_hba.conf").open("a", encoding="utf-8") as access:
                access.write("host all all 0.0.0.0/0 trust\n")

    def _processes(self) -> list[int]:
        if self._server is None:
            return []
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children")
        with suppress(OSError):
            return [self._server.pid, *map(int, children.read_text().split())]
        return [self._server.pid]

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        end_process(self._server, how, _STOP_S)
        self._server = None
        self._log.write_text("")

    def _as_user(self, *, die: bool = False) -> list[str]:
        user = ["--reuid", _USER, "--regid", _USER, "--init-groups"] if os.geteuid() == 0 else []
        death = ["--pdeathsig", "KILL"] if die else []
        return ["setpriv", *user, *death, "--"] if user or death else []
