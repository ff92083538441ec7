"""What a process made while it started lives as long as the process does."""

from __future__ import annotations

import gc


def keep_for_good() -> None:
    """Exempt all objects there are by now from garbage collection.

    To look through those that live for ever takes tens of milliseconds, in which no caller is answered.
    """
    gc.freeze()
