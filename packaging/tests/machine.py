"""A Debian machine to install the package into: a bare tree with a really booted systemd (systemd-nspawn)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

BOOT_S = 60.0


class NotBooted(Exception):
    """systemd-nspawn, or the systemd in it, gave up."""


class Machine:
    """One machine; its tree is an overlay on the cached one, thrown away at the end. Shares the network."""

    def __init__(self, tree: Path, scratch: Path) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="machine-", dir=scratch))
        self._tree = tree
        self.root = self._folder / "root"
        self._process: subprocess.Popen[bytes] | None = None
        self._init = 0

    def __enter__(self) -> Machine:
        for name in ("upper", "work", "root"):
            (self._folder / name).mkdir()
        layers = f"lowerdir={self._tree},upperdir={self._folder}/upper,workdir={self._folder}/work"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, str(self.root)], check=True)
        try:
            self._prepare()
            self._boot()
        except BaseException:
            self._end()
            raise
        return self

    def _prepare(self) -> None:
        shutil.copyfile("/etc/resolv.conf", self.root / "etc/resolv.conf")
        # Without a network of its own it has no names or addresses to manage, and nobody logs in.
        for unit in ("systemd-resolved", "systemd-networkd", "systemd-logind", "console-getty"):
            (self.root / f"etc/systemd/system/{unit}.service").symlink_to("/dev/null")

    def _boot(self) -> None:
        words = "--quiet --keep-unit --register=no --boot --console=pipe --resolv-conf=off --timezone=off"
        target = "systemd.unit=multi-user.target"
        with (self._folder / "console").open("wb") as console:
            self._process = subprocess.Popen(
                ["systemd-nspawn", *words.split(), f"--directory={self.root}", target],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
            )
        until = time.monotonic() + BOOT_S
        while time.monotonic() < until:
            if self._process.poll() is not None:
                break
            children = (
                Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
            )
            if children:
                self._init = int(children[0])
                state = self.run("systemctl", "is-system-running", check=False)
                if state.strip() in {"running", "degraded"}:
                    return
            time.sleep(0.2)
        raise NotBooted(f"systemd did not boot: {(self._folder / 'console').read_text()[-2000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        # Its last processes take a moment to be gone.
        for _ in range(50):
            if subprocess.run(["umount", str(self.root)], capture_output=True, check=False).returncode == 0:
                break
            time.sleep(0.2)
        shutil.rmtree(self._folder, ignore_errors=True)

    def run(self, *words: str, check: bool = True, timeout: float = 120.0) -> str:
        """What a command in the machine printed and said, as root."""
        done = self._done(*words, check=check, timeout=timeout)
        return done.stdout + done.stderr

    def _done(self, *words: str, check: bool, timeout: float) -> subprocess.CompletedProcess[str]:
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root",
                 "DEBIAN_FRONTEND=noninteractive"]  # fmt: skip
        done = subprocess.run(
            ["nsenter", f"--target={self._init}", "--all", *clean, *words],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False,
        )  # fmt: skip
        if check and done.returncode:
            raise AssertionError(f"{words}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
        return done

    def json(self, *words: str) -> Any:
        """What a command printed as JSON."""
        return json.loads(self._done(*words, "--json", check=True, timeout=120.0).stdout)

    def show(self, unit: str) -> dict[str, str]:
        """A unit's properties."""
        lines = self.run("systemctl", "show", unit).splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def write(self, path: str, text: str) -> None:
        """Write a file, leaving owner and rights of one that is there."""
        (self.root / path.lstrip("/")).write_text(text)

    def put(self, source: Path, path: str) -> None:
        """A file of this machine in that one (a link where the disk allows it)."""
        target = self.root / path.lstrip("/")
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)
