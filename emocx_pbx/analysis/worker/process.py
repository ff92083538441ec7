"""The process of one analysis worker: `python -m emocx_pbx.analysis.worker.process --fd N --config JSON`.

Started by the pool. Speaks the messages of `analysis.messages` on the inherited socket N, and ends when
the other end of it closes, however the controller ended.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import socket
import sys
import time
from collections.abc import Callable
from typing import Final

import msgspec

from emocx_pbx.analysis.worker.memory import keep_freed

#: The numeric libraries read these when they are loaded, and nothing else tells them: one worker, one
#: core. That is why this module imports none of them at its top.
ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

#: A reading asks for the interpreter some fifty times, after each step outside of it. While the loop is busy
#: it waits for so long each time (s): by habit 5 ms, a quarter of a second in all.
SWITCH_S: Final = 0.0005


def main(argv: list[str] | None = None) -> int:
    """Run until the controller says Shutdown or is gone; the exit status."""
    parser = argparse.ArgumentParser(prog="emocx-pbx-worker")
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the controller")
    parser.add_argument("--config", required=True, help="WorkerConfig as JSON; -: on stdin")
    options = parser.parse_args(argv)
    prepare()
    text = sys.stdin.buffer.read() if options.config == "-" else options.config.encode()
    return asyncio.run(_main(options.fd, text))


def prepare() -> None:
    """Make this process one that hears calls; before anything that works audio is loaded."""
    _open_many()
    for name in ONE_THREAD:
        os.putenv(name, "1")
    keep_freed()
    sys.setswitchinterval(SWITCH_S)


def _open_many() -> None:
    """As many sockets as the system lets us have: by habit it is 1,024, for the sake of select(2)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _main(fd: int, config_json: bytes) -> int:
    from emocx_pbx.analysis.config import WorkerConfig
    from emocx_pbx.analysis.messages import ToWorker
    from emocx_pbx.analysis.worker.life import serve
    from emocx_pbx.observe.logs import configure
    from emocx_pbx.wire.link import Link

    config = msgspec.json.decode(config_json, type=WorkerConfig)
    configure(config.log)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd))
    return await serve(config, Link(reader, writer, msgspec.msgpack.Decoder(ToWorker)), steady_clock())


def steady_clock() -> Callable[[], float]:
    """Unix seconds that never jump: a set clock must not look like a gap in a call."""
    offset = time.time() - time.monotonic()
    return lambda: offset + time.monotonic()


if __name__ == "__main__":
    sys.exit(main())
