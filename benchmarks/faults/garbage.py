"""Floods of garbage: what scanners, broken peers and wrong settings send to a service's ports."""

from __future__ import annotations

import asyncio
import contextlib
import random
import struct
from collections.abc import Callable, Iterable
from typing import Final

CONNECTIONS: Final = 6
"""At the same time, on every port."""
PAUSE_S: Final = 0.05
HELD_S: Final = 1.0

Garbage = Callable[[random.Random], bytes]

#: What one connection sends; an empty one only stays.
KINDS: Final[tuple[Garbage, ...]] = (
    lambda chance: b"",
    lambda chance: chance.randbytes(chance.randrange(1, 65536)),
    lambda chance: b"\x00" * chance.randrange(1, 4096),
    # HTTP: headers without end, a body that never comes, a method that is none.
    lambda chance: b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * chance.randrange(1, 5000),
    lambda chance: b"POST /api/v1/queries HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999\r\n\r\n{",
    lambda chance: b"\xff\xfe /\xc3\x28 HTTP/9.9\r\n\r\n",
    # FastAGI: an environment without end, one without a script, a line without end.
    lambda chance: b"agi_network: yes\nagi_network_script: route\n" * chance.randrange(1, 2000),
    lambda chance: b"agi_uniqueid: " + chance.randbytes(8).hex().encode() + b"\n\n",
    lambda chance: b"agi_x: " + b"a" * chance.randrange(1, 200_000),
    # AudioSocket: an unknown UUID, a cut message, audio before any UUID, the longest message there is.
    lambda chance: b"\x01\x00\x10" + chance.randbytes(16) + b"\x10\x02\x80" + bytes(640),
    lambda chance: b"\x01\x00\x10" + chance.randbytes(7),
    lambda chance: (b"\x10\x01\x40" + bytes(320)) * chance.randrange(1, 50),
    lambda chance: b"\x01" + struct.pack(">H", 65535) + bytes(65535),
    # TLS where there is none.
    lambda chance: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + chance.randbytes(200),
)


async def flood(ports: Iterable[int], seconds: float, chance: random.Random) -> int:
    """Send garbage to every port for so long; how many connections it were."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    counts = [0]

    async def one(port: int, own: random.Random) -> None:
        while loop.time() < until:
            counts[0] += 1
            await _send(port, own)
            await asyncio.sleep(PAUSE_S * own.random())

    async with asyncio.TaskGroup() as group:
        for port in ports:
            for _ in range(CONNECTIONS):
                group.create_task(one(port, random.Random(chance.random())))
    return counts[0]


async def _send(port: int, chance: random.Random) -> None:
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(HELD_S):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                writer.write(chance.choice(KINDS)(chance))
                await writer.drain()
                if chance.random() < 0.5:
                    await asyncio.sleep(HELD_S * chance.random())
            finally:
                # A reset or an orderly end.
                if chance.random() < 0.5:
                    writer.transport.abort()
                else:
                    writer.close()
