"""Random input: words of a protocol, odd bytes and noise."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

#: Takes one input made by a chance of its own; raises what nobody should ever see.
Target = Callable[[random.Random], None]

_ODD: Final = (
    b"",
    b"\r\n",
    b"\r\n\r\n",
    b": ",
    b":",
    b"\x00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"%",
    b"%ff",
    b"&",
    b"=",
    b";",
    b'"',
    b"\\",
    b"--",
    b"9" * 30,
    b"9" * 5000,
    b"-1",
    b"1e999",
    b"nan",
    b"\xd9\xa1",
    b"${",
    b"$[",
    b"\n",
)


def mixed(chance: random.Random, words: tuple[bytes, ...], most: int = 12) -> bytes:
    """Some words of a protocol, odd bytes and noise, one behind the other."""
    found = []
    for _ in range(chance.randrange(most)):
        kind = chance.random()
        if kind < 0.6:
            found.append(chance.choice(words))
        elif kind < 0.9:
            found.append(chance.choice(_ODD))
        else:
            found.append(chance.randbytes(chance.randrange(12)))
    return b"".join(found)
