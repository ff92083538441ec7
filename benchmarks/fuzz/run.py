"""The targets by name, and feeding one of them."""

from __future__ import annotations

import random
from collections.abc import Mapping

from benchmarks.fuzz.hosts import between_hosts
from benchmarks.fuzz.http import cursors, forms, forwarded, numbers
from benchmarks.fuzz.messages import messages
from benchmarks.fuzz.mixed import Target
from benchmarks.fuzz.pbx import AmiTarget, audiosocket, fastagi


def targets() -> Mapping[str, Target]:
    """All targets by name; to be made within a running loop."""
    return {
        "audiosocket": audiosocket,
        "fastagi": fastagi,
        "ami": AmiTarget(),
        "forms": forms,
        "forwarded": forwarded,
        "cursors": cursors,
        "numbers": numbers,
        "messages": messages,
        "between-hosts": between_hosts,
    }


async def fuzz(name: str, number: int, seed: int = 1) -> None:
    """Feed one target.

    Raises:
        AssertionError: an input was neither taken nor refused as it should; names the input's seed.
    """
    target = targets()[name]
    for n in range(seed, seed + number):
        try:
            target(random.Random(n))
        except Exception as error:
            raise AssertionError(f"{name}, seed {n}: {type(error).__name__}: {error}") from error
