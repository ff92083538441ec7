"""Memory that a worker frees stays its own, for the next array of that size.

The C library gives every array of more than 128 kB back to the system and asks for it anew, page by page.
The spectra of a few seconds are that large and live for a millisecond: handing their pages to and fro cost
more than computing them.
"""

from __future__ import annotations

import ctypes
from typing import Final

#: mallopt(3): bytes from which on an allocation has a mapping of its own (32 MB is the most it takes), and
#: bytes free at the top of a heap from which on they go back to the system.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
LARGEST: Final = 32 * 1024 * 1024
KEPT: Final = 64 * 1024 * 1024


def keep_freed() -> bool:
    """Set this process's allocator; False where it can't be told (another C library than glibc)."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return False
    return bool(mallopt(_MMAP_THRESHOLD, LARGEST)) and bool(mallopt(_TRIM_THRESHOLD, KEPT))
