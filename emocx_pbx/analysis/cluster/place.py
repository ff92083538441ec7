"""Which worker this is, and how its models stand to those of the cluster. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class WorkerIdentity:
    """Which worker this is."""

    worker: str
    """Its name, `node-index`."""
    life: str
    """This process of it."""
    node: str
    site: str
    host: str
    """At which Asterisk reaches it."""
    version: str


@dataclass(frozen=True, slots=True)
class OfModels:
    """How its models stand to those of the cluster."""

    number: int = 0
    """Of the cluster's set that it uses."""
    behind: str = ""
    """Why it uses others."""


def topics_digest(topics: Mapping[str, Sequence[str]]) -> str:
    """The same for no other topics; empty: there are none."""
    sorted_ = sorted((name, *said) for name, said in topics.items())
    return hashlib.sha256(msgspec.msgpack.encode(sorted_)).hexdigest()[:12] if topics else ""
