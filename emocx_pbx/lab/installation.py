"""Asterisk on disk: this system's own, or the tree that scripts/install-asterisk.sh made."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from emocx_pbx.errors import SettingsError


@dataclass(frozen=True, slots=True)
class Installation:
    """An Asterisk on disk."""

    root: Path | None
    """Tree to chroot into; None: this system's own Asterisk."""
    binary: str
    modules: str
    sudo: bool = False
    """Whether root is needed for the tree, and we are not root."""

    def enter(self) -> list[str]:
        """Words in front of a command that is to run where Asterisk is, as the present user."""
        if self.root is None:
            return []
        if not self.sudo:
            return ["chroot", str(self.root)]
        user = f"--userspec={os.getuid()}:{os.getgid()}"
        return ["sudo", "-n", "chroot", user, str(self.root)]

    def outside(self, inside: str) -> Path:
        """A path of Asterisk's, as this process sees it."""
        return Path(inside) if self.root is None else self.root / inside.lstrip("/")


def cache_directory(environ: Mapping[str, str]) -> Path:
    """Where downloads are kept: EMOCX_CACHE, else emocx-pbx in the user's cache folder."""
    if given := environ.get("EMOCX_CACHE"):
        return Path(given)
    base = environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "emocx-pbx"


def find(cache: Path) -> Installation:
    """The Asterisk that scripts/install-asterisk.sh uses or made.

    Raises:
        SettingsError: there is none yet, or it can't be started by this user.
    """
    for root in (Path("/"), cache / "asterisk"):
        modules = sorted(
            p.parent
            for g in ("lib/*", "lib", "lib64")
            for p in root.glob(f"usr/{g}/asterisk/modules/chan_audiosocket.so")
        )
        binary = root / "usr/sbin/asterisk"
        if not modules or not binary.exists():
            continue
        inside = "/" + str(modules[0].relative_to(root))
        if root != Path("/"):
            root_needed = os.geteuid() != 0
            if root_needed and not _may_sudo():
                raise SettingsError(f"Asterisk in {root} is started by chroot, which needs root or sudo")
            return Installation(root, "/usr/sbin/asterisk", inside, sudo=root_needed)
        if _major(str(binary)) >= 20:
            return Installation(None, str(binary), inside)
    raise SettingsError(
        "no Asterisk >= 20 with AudioSocket here: run scripts/install-asterisk.sh (make setup)"
    )


def _may_sudo() -> bool:
    """Whether sudo works without asking (after `sudo -v` it does)."""
    sudo = shutil.which("sudo")
    if sudo is None:
        return False
    return subprocess.run([sudo, "-n", "true"], capture_output=True, timeout=10, check=False).returncode == 0


def _major(binary: str) -> int:
    said = subprocess.run([binary, "-V"], capture_output=True, text=True, timeout=10, check=False).stdout
    match = re.search(r"Asterisk \D*(\d+)", said)
    return int(match[1]) if match else 0


def free_port(kind: socket.SocketKind = socket.SOCK_STREAM) -> int:
    """A port of 127.0.0.1 that nobody is using now."""
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
