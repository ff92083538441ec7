"""Whose request it is when there are proxies in between: the last hop that is not ours. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from emocx_pbx.errors import InputError

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def networks(given: Sequence[str]) -> tuple[Network, ...]:
    """Addresses and networks as settings name them.

    Raises:
        ValueError: a text is neither an address nor a network.
    """
    return tuple(ipaddress.ip_network(one.strip(), strict=False) for one in given)


def is_in(address: str, trusted: Sequence[Network]) -> bool:
    """Whether an address belongs to one of the networks."""
    try:
        ip = _plain(address)
    except ValueError:
        return False
    return any(ip in network for network in trusted)


def client_address(peer: str, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The address of the client.

    A proxy appends the address it saw to X-Forwarded-For; anything before is the client's own claim. So the
    header is read from its end, skipping trusted proxies.

    Args:
        peer: who opened the connection.
        forwarded: the headers X-Forwarded-For, in order.
        trusted: networks of the proxies in front.

    Raises:
        InputError: a trusted proxy did not say who it forwards for, or did not give an address.
    """
    if not is_in(peer, trusted):
        return peer
    hops = [hop.strip() for header in forwarded for hop in header.split(",")]
    if not any(hops):
        raise InputError("the proxy in front sends no X-Forwarded-For")
    client = peer
    for hop in reversed(hops):
        try:
            client = str(_plain(hop))
        except ValueError:
            raise InputError("X-Forwarded-For: expected addresses") from None
        if not is_in(client, trusted):
            break
    return client


def _plain(hop: str) -> Address:
    """Parse an address, which may have a port, be in brackets, or be mapped into IPv6."""
    text = hop.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    ip = ipaddress.ip_address(text.partition("%")[0])
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return mapped or ip
