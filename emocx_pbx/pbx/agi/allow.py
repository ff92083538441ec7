"""Who may ask by FastAGI, which has no login of its own: this machine, Asterisk's host, and who is named."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import time
from collections.abc import Callable, Sequence
from typing import Final

import structlog

log = structlog.get_logger()

#: A host's name is looked up again after that, when somebody unknown asks.
LOOK_UP_S: Final = 10.0
#: Time for a look-up; the caller waits meanwhile.
DEADLINE_S: Final = 1.0


class AllowList:
    """Addresses that may ask."""

    def __init__(
        self,
        asterisk_hosts: Sequence[str],
        named: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare.

        Args:
            asterisk_hosts: names or addresses of the configured Asterisks.
            named: further addresses or networks.
            clock: monotonic seconds.

        Raises:
            ValueError: one of `named` is neither.
        """
        self._hosts, self._clock = tuple(asterisk_hosts), clock
        self._networks = [ipaddress.ip_network(one.strip(), strict=False) for one in named]
        self._of_host: frozenset[str] = frozenset()
        self._by_host: dict[str, frozenset[str]] = {}
        self._looked_up_at = float("-inf")

    async def allows(self, peer: str, ours: str) -> bool:
        """Whether a peer may ask.

        Args:
            peer: its address.
            ours: the address that it connected to; the same: it is this machine.
        """
        try:
            ip = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        ip = (ip.ipv4_mapped or ip) if isinstance(ip, ipaddress.IPv6Address) else ip
        if ip.is_loopback or peer == ours or any(ip in network for network in self._networks):
            return True
        if str(ip) not in self._of_host and self._clock() - self._looked_up_at >= LOOK_UP_S:
            await self._look_up()
        return str(ip) in self._of_host

    async def _look_up(self) -> None:
        self._looked_up_at = self._clock()
        found = await asyncio.gather(*map(self._addresses, self._hosts))
        # One that can't be found now is where it was.
        for host, addresses in zip(self._hosts, found, strict=True):
            if addresses is not None:
                self._by_host[host] = addresses
        self._of_host = frozenset().union(*self._by_host.values())

    async def _addresses(self, host: str) -> frozenset[str] | None:
        try:
            async with asyncio.timeout(DEADLINE_S):
                found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as error:
            why = str(error) or "no answer"
            log.warning("asterisk.host not found", key="agi.unknown_host", host=host, why=why)
            return None
        return frozenset(str(address[0]) for *_, address in found)
