"""Hosts on one machine: network namespaces on a switch of their own, whose links can be cut. Needs root.

Each host has a link `lan` to the others and a link `mgmt` to this machine alone, by which a run still sees a
host that is cut off. The switch is a namespace too, so that no firewall of this machine's comes between.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Final

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.host import Host

#: Of all namespaces' names; then comes the process that made them.
_OURS: Final = "emocx-lab"
#: Where free addresses are looked for: a /23 for each run, half for each kind of link.
_ADDRESSES: Final = ipaddress.IPv4Network("10.96.0.0/12")
_LINKS: Final = ("lan", "mgmt")
_GONE_S: Final = 5.0
#: A link-layer address that no host has.
_NOBODY: Final = "02:00:00:00:00:01"


class Network:
    """`with Network() as network: berlin = network.host("berlin")`; nothing of it is left afterwards."""

    def __init__(self) -> None:
        self._names = f"{_OURS}-{os.getpid()}"
        self._switch = f"{self._names}-switch"
        #: Names of this machine's own ends; no link's may be longer than 15.
        self._own = f"ecx{os.getpid() % 10**7}"
        self._places: dict[str, int] = {}
        self._addresses = _ADDRESSES

    def __enter__(self) -> Network:
        if shutil.which("ip") is None:
            raise PeerUnavailable("network namespaces need the program ip (package iproute2)")
        sweep()
        try:
            self._addresses = _free()
            _ip("netns", "add", self._switch)
            for link, address in zip(_LINKS, self._at(254), strict=True):
                own = f"{self._own}{link}"
                _ip("-n", self._switch, "link", "add", link, "type", "bridge")
                _ip("-n", self._switch, "link", "set", link, "up")
                peer = ["peer", "name", own, "netns", str(os.getpid())]
                _ip("-n", self._switch, "link", "add", f"{link}0", "type", "veth", *peer)
                _ip("-n", self._switch, "link", "set", f"{link}0", "master", link, "up")
                _ip("addr", "add", f"{address}/24", "dev", own)
                _ip("link", "set", own, "up")
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def address(self) -> str:
        """At which hosts reach this machine."""
        return self._at(254)[0]

    @property
    def all(self) -> str:
        """All of its addresses."""
        return str(self._addresses)

    def host(self, name: str) -> Host:
        """A new one.

        Raises:
            PeerUnavailable: the kernel refuses.
        """
        number = len(self._places) + 1
        space = f"{self._names}-{name}"
        self._places[space] = number
        _ip("netns", "add", space)
        _ip("-n", space, "link", "set", "lo", "up")
        for link, address in zip(_LINKS, self._at(number), strict=True):
            port = f"{link}{number}"
            peer = ["peer", "name", link, "netns", space]
            _ip("-n", self._switch, "link", "add", port, "type", "veth", *peer)
            _ip("-n", self._switch, "link", "set", port, "master", link, "up")
            _ip("-n", space, "addr", "add", f"{address}/24", "dev", link)
            _ip("-n", space, "link", "set", link, "up")
        _ip("-n", self._switch, "link", "set", f"mgmt{number}", "type", "bridge_slave", "isolated", "on")
        lan, managed = self._at(number)
        return Host(space, lan, managed, self._addresses.with_netmask)

    def cut(self, host: Host) -> None:
        """Nothing passes any more between a host and the others; nobody is told."""
        _ip("-n", self._switch, "link", "set", f"lan{self._places[host.namespace]}", "nomaster")

    def mend(self, host: Host) -> None:
        """It is on the net again."""
        port = f"lan{self._places[host.namespace]}"
        _ip("-n", self._switch, "link", "set", port, "master", "lan", "up")

    def part(self, host: Host, other: Host) -> None:
        """Nothing that a host sends to one other arrives; nobody is told, and all else passes."""
        _ip(*_neighbour(host, other, "replace"), "lladdr", _NOBODY, "nud", "permanent")

    def join(self, host: Host, other: Host) -> None:
        """They reach each other again."""
        _ip(*_neighbour(host, other, "del"))

    def processes(self, host: Host) -> list[int]:
        """What runs on a host."""
        return _pids(host.namespace)

    def close(self) -> None:
        """End what still runs on the hosts, and remove all of it."""
        _remove([*self._places, self._switch])
        for link in _LINKS:
            subprocess.run(["ip", "link", "del", f"{self._own}{link}"], capture_output=True, check=False)

    def _at(self, number: int) -> tuple[str, str]:
        lan, management = self._addresses.subnets(new_prefix=24)
        return str(lan[number]), str(management[number])


def _neighbour(host: Host, other: Host, deed: str) -> list[str]:
    return ["-n", host.namespace, "neigh", deed, other.address, "dev", "lan"]


def sweep() -> None:
    """Remove the namespaces of runs that ended without doing so."""
    listed = subprocess.run(["ip", "netns", "list"], capture_output=True, text=True, check=False).stdout
    names = re.findall(rf"^({_OURS}-(\d+)-\S+)", listed, re.MULTILINE)
    _remove([name for name, pid in names if not Path(f"/proc/{pid}").exists()])


def _remove(spaces: list[str]) -> None:
    ends = time.monotonic() + _GONE_S
    while (left := [pid for space in spaces for pid in _pids(space)]) and time.monotonic() < ends:
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.05)
    for space in spaces:
        subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)


def _pids(space: str) -> list[int]:
    listed = subprocess.run(["ip", "netns", "pids", space], capture_output=True, text=True, check=False)
    return [int(pid) for pid in listed.stdout.split()]


def _free() -> ipaddress.IPv4Network:
    """Addresses that nothing here leads to."""
    said = subprocess.run(["ip", "-4", "route"], capture_output=True, text=True, check=False).stdout
    taken = [
        ipaddress.ip_network(line.split()[0], strict=False)
        for line in said.splitlines()
        if re.match(r"\d+\.", line)
    ]
    for candidate in _ADDRESSES.subnets(new_prefix=23):
        if not any(candidate.overlaps(other) for other in taken):
            return candidate
    raise PeerUnavailable(f"no free addresses in {_ADDRESSES}")


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        why = done.stderr.strip() or f"ip {' '.join(words)} ended with {done.returncode}"
        raise PeerUnavailable(f"network namespaces are not to be had here: {why}")
