"""How a private Asterisk is put out of order: edits of its files, modules unloaded."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Case:
    """One misconfiguration."""

    what: str
    """In words, for docs/doctor.md."""
    finds: str
    """Part of the finding."""
    remedy: str
    """Part of its remedy."""
    topic: str
    level: str = "fail"
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Of a file of Asterisk's: a regular expression, and what takes its place."""
    cli: tuple[str, ...] = ()
    """Makes it so, after the edits."""
    undo: tuple[str, ...] = ()
    """Besides those of `cli` that reload."""
    settings: Mapping[str, object] = field(default_factory=dict)
    policy: str = ""
    tap: bool = False

    @property
    def id(self) -> str:
        return re.sub(r"\W+", "-", self.what).strip("-").lower()


def unloaded(module: str, finds: str, level: str = "fail", *, after: tuple[str, ...] = ()) -> Case:
    return Case(
        f"{module} is not loaded",
        f"{module} is not loaded: {finds}",
        f"module load {module}",
        "modules",
        level,
        cli=(f"module unload -f {module}.so",),
        undo=(f"module load {module}.so", *after),
    )


def edited(file: str, pattern: str, to: str) -> Mapping[str, tuple[str, str]]:
    return {file: (pattern, to)}


def reads(classes: str) -> Mapping[str, tuple[str, str]]:
    return edited("manager-emocx.conf", r"(?m)^read = .*$", f"read = {classes}")


def filtered(line: str) -> Mapping[str, tuple[str, str]]:
    return edited("manager-emocx.conf", r"(?m)^writetimeout = .*$", f"writetimeout = 5000\n{line}")


def a_global(name: str, value: str) -> Mapping[str, tuple[str, str]]:
    return edited(
        "extensions.conf", rf"(?m)^(\[globals\]\n(?:.*\n)*?){name} = .*$", rf"\g<1>{name} = {value}"
    )


def a_queue(queue: str, line: str) -> Mapping[str, tuple[str, str]]:
    return edited("queues.conf", rf"(?m)^\[{queue}\]\(demo\)$", f"[{queue}](demo)\n{line}")


TLS_FILES = Path(__file__).parents[1] / "data/tls"
CERTIFICATE = str(TLS_FILES / "cert.pem")


def tls_port(address: str) -> Mapping[str, tuple[str, str]]:
    """A second manager port, of TLS, with a certificate of localhost and 127.0.0.1 that signed itself."""
    lines = (
        "webenabled = no", "tlsenable = yes", f"tlsbindaddr = {address}:@TLS@",
        "tlscertfile = @DIR@/etc/cert.pem", "tlsprivatekey = @DIR@/etc/key.pem",
    )  # fmt: skip
    return edited("manager.conf", "(?m)^webenabled = no$", "\n".join(lines))


TLS_PORT = tls_port("127.0.0.1")
TIERS = '[[rules]]\nname = "r"\nqueue = "care"\nmax_penalty = 1\n'
USED = '[[rules]]\nname = "r"\nqueue = "care"\n'
