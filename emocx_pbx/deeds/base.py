"""The base of all deeds: a message that names the type of its answer, and how long that may take."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Generic, TypeVar

from emocx_pbx.wire.message import Message

#: Seconds for a deed that is one transaction.
QUICK_S: Final = 20.0
#: Seconds for a deed that rewrites the database file, or reads models' weights from a cold disk.
LONG_S: Final = 600.0

R = TypeVar("R")


class Deed(Message, Generic[R], frozen=True):
    """Base of all deeds; R is the type of the answer."""

    answer: ClassVar[Any]
    """R, for decoding the answer."""
    deadline_s: ClassVar[float] = QUICK_S
    """Seconds after which the caller gives up; the deed may still be done."""
