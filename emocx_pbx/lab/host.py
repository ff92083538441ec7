"""Where a process of the lab runs: on this machine, or on a host of its own, which is a network namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Host:
    """One such place; files and process ids are the same for all."""

    namespace: str = ""
    """Its network namespace; empty: this machine itself."""
    address: str = LOOPBACK
    """Address at which other hosts reach it."""
    managed: str = LOOPBACK
    """Address at which the lab reaches it, whatever becomes of its link to the others."""
    network: str = "127.0.0.1/255.255.255.255"
    """Address and mask of those who may reach it, as Asterisk's `permit` writes them."""

    @property
    def alone(self) -> bool:
        """Whether it is this machine itself."""
        return not self.namespace

    @property
    def listens(self) -> str:
        """Address for servers to listen on: on this machine only its loopback, in a namespace all."""
        return LOOPBACK if self.alone else "0.0.0.0"

    def enter(self) -> list[str]:
        """Words in front of a command that is to run there; the process keeps its id."""
        return ["ip", "netns", "exec", self.namespace] if self.namespace else []


THIS_MACHINE: Final = Host()
