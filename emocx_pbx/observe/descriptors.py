"""How many files and sockets this process may have open."""

from __future__ import annotations

import resource
from typing import Final

#: More than this is never needed; some systems' hard limit is a thousand million.
ENOUGH: Final = 65_536


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one (a shell's 1,024 is soon used up); the limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY:
        return ENOUGH
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
