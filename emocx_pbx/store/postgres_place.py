"""Addresses of PostgreSQL databases: distinguished from files, and shown without the password."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit, urlunsplit

_SCHEMES: Final = ("postgresql", "postgres")


def is_postgresql(place: object) -> bool:
    """Whether this names a PostgreSQL database, and not a file."""
    return isinstance(place, str) and place.partition("://")[0] in _SCHEMES and "://" in place


def shown_place(place: str) -> str:
    """An address as logs and answers may show it."""
    parts = urlsplit(place)
    user, at, host = parts.netloc.rpartition("@")
    return urlunsplit((parts.scheme, f"{user.partition(':')[0]}{at}{host}", parts.path, "", ""))
