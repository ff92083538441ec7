"""The limit on the files and sockets that this process may have open."""

from __future__ import annotations

import resource
from typing import Final

#: More than this is never needed; on some systems the hard limit is a billion.
ENOUGH: Final = 65_536


def raise_descriptor_limit() -> int:
    """Raise the soft limit to the hard one (a shell's 1,024 is soon used up); returns the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)
    if soft == resource.RLIM_INFINITY:
        return ENOUGH
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return max(soft, wanted)
