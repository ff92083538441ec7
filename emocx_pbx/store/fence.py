"""The fence: writes inside it are kept only while the writer's terms of acting for PBXes go on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Term:
    """A period in which one controller acts for a PBX."""

    pbx: str
    """Name of the PBX."""
    epoch: int
    """Number of the term; later terms of this PBX have higher numbers."""


_TERMS: ContextVar[tuple[Term, ...]] = ContextVar("terms", default=())


@contextmanager
def fenced(terms: Iterable[Term]) -> Iterator[None]:
    """Make every transaction that this task begins inside check first that these terms go on.

    Such a transaction raises LeaseLost when one of them is over, and StoreUnavailable when its lease expired
    and nobody else has taken it yet. On SQLite, which belongs to one host, nothing is checked.
    """
    token = _TERMS.set(tuple(sorted(set(terms))))
    try:
        yield
    finally:
        _TERMS.reset(token)


def terms() -> tuple[Term, ...]:
    """The terms of the fence that this task is in, in the order in which to lock them."""
    return _TERMS.get()
