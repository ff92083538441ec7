"""What every deed is: a message that says what it is answered by, and how long that may take."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Generic, TypeVar

from emocx_pbx.wire.message import Message

#: For what is one transaction.
QUICK_S: Final = 20.0
#: For what rewrites the database file, or reads weights of models on a cold disk.
LONG_S: Final = 600.0

R = TypeVar("R")


class Deed(Message, Generic[R], frozen=True):
    """Base of all deeds; R is what it is answered by."""

    answer: ClassVar[Any]
    """R, for whoever decodes it."""
    deadline_s: ClassVar[float] = QUICK_S
    """After this whoever asked gives up; the deed may still be done."""
