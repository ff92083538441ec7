"""A receiver's address: parsed once, sent byte for byte as written, and shown without its secrets."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, unquote_to_bytes, urlsplit

import idna

_PORTS: Final = {"http": 80, "https": 443}
#: Characters that a request can't hold.
_FORBIDDEN: Final = re.compile(r"[\x00-\x1f\x7f]")
#: Characters that RFC 3986 keeps as they are; quoting touches no other ASCII.
_ASCII: Final = "".join(map(chr, range(33, 127)))
#: Stands for a secret in an address that is shown.
HIDDEN: Final = "***"


@dataclass(frozen=True, slots=True)
class ReceiverUrl:
    """The parts of an address that make up a request."""

    tls: bool
    host: str
    """As DNS and certificates know it: ASCII, without brackets."""
    port: int
    authority: str
    """The header `host`: name and, if it was written, port."""
    target: str
    """Path and query as written; spaces and what is not ASCII are percent-encoded."""
    credentials: bytes | None
    """`user:password` of the address, for basic authentication."""


def parse_receiver_url(url: str) -> ReceiverUrl:
    """Take an address apart.

    Raises:
        ValueError: it is no http(s) address that can be sent to; the message shows nothing of it.
    """
    if _FORBIDDEN.search(url):
        raise ValueError("expected an address without control characters")
    # urlsplit would drop a fragment and an empty query; the target is cut from the text itself.
    try:
        split = urlsplit(url)
        scheme, host, port = split.scheme.lower(), split.hostname, split.port
    except ValueError:
        raise ValueError("expected an address with a host and a port from 1 to 65535") from None
    if scheme not in _PORTS or not host or " " in host:
        raise ValueError("expected an address that begins with https:// or http://")
    if port == 0:
        raise ValueError("expected a port from 1 to 65535")
    user, at, name = split.netloc.rpartition("@")
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode()
        except idna.IDNAError:
            raise ValueError("expected an address with the name of a host") from None
        name = host + name[len(name.rstrip("0123456789:")) :]
    rest = url[url.index("://") + 3 + len(split.netloc) :].partition("#")[0]
    return ReceiverUrl(
        tls=scheme == "https",
        host=host,
        port=port or _PORTS[scheme],
        authority=name,
        target=quote(rest if rest.startswith("/") else f"/{rest}", safe=_ASCII),
        credentials=unquote_to_bytes(user) if at else None,
    )


def shown_url(url: str) -> str:
    """An address for people and logs: without password, and without the values of its query."""
    head, mark, rest = url.partition("://")
    if not mark:
        return HIDDEN
    address, question, query = rest.partition("?")
    authority, slash, path = address.partition("/")
    user, at, host = authority.rpartition("@")
    if at:
        name, colon, _ = user.partition(":")
        authority = f"{name}{colon}{HIDDEN if colon else ''}@{host}" if colon else f"{HIDDEN}@{host}"
    if question:
        query = "&".join(_hidden(part) for part in query.split("&"))
    return f"{head}{mark}{authority}{slash}{path}{question}{query}"


def _hidden(part: str) -> str:
    """One part of a query without its value."""
    name, equals, _ = part.partition("=")
    return f"{name}={HIDDEN}" if equals else (HIDDEN if name else "")
