"""Which addresses a receiver may be at. Pure.

A receiver's name is checked by what it resolves to at the moment of connecting: a name that pointed to a
public address when it was entered may point into this network later (DNS rebinding).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

#: IPv6 with IPv4 in the last 32 bits: translated (RFC 6052), or "compatible" (RFC 4291).
_EMBEDDING: Final = tuple(ipaddress.IPv6Network(text) for text in ("64:ff9b::/96", "::/96"))
#: A site's own translation (RFC 8215): where the IPv4 address is in it is the site's choice.
_TRANSLATED_HERE: Final = ipaddress.IPv6Network("64:ff9b:1::/48")
#: The range from which IANA assigns public IPv6 addresses; outside it are site-local and translated ones.
_UNICAST: Final = ipaddress.IPv6Network("2000::/3")
#: Networks that `is_global` wrongly takes for public, in older Pythons or in all: protocol assignments,
#: relays, documentation, and the address by which Azure machines reach their host.
_NOBODYS: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("168.63.129.16/32"),
    ipaddress.IPv4Network("192.0.0.0/24"),
    ipaddress.IPv4Network("192.88.99.0/24"),
    ipaddress.IPv6Network("2001::/23"),
    ipaddress.IPv6Network("3fff::/20"),
)


class Networks:
    """Public addresses, and those of networks that the settings allow."""

    def __init__(self, allowed: Iterable[str] = ()) -> None:
        """`allowed` are networks like `10.1.0.0/16` (checked by the settings)."""
        self._allowed: tuple[Network, ...] = tuple(ipaddress.ip_network(text) for text in allowed)

    def permits(self, text: str) -> bool:
        """Whether a receiver may be at this address (as getaddrinfo writes it)."""
        outer = ipaddress.ip_address(text)
        address = inner(outer)
        if self._allows(address) or (outer in _TRANSLATED_HERE and self._allows(outer)):
            return True
        if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
            return False
        return (
            address.is_global
            and not address.is_multicast
            and not any(address in network for network in _NOBODYS if network.version == address.version)
        )

    def _allows(self, address: Address) -> bool:
        return any(address in network for network in self._allowed if network.version == address.version)


def inner(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address not in (ipaddress.IPv6Address("::"), ipaddress.IPv6Address("::1")) and any(
        address in network for network in _EMBEDDING
    ):
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
