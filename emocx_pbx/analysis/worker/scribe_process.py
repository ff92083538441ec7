"""The process that hears words: `python -m emocx_pbx.analysis.worker.scribe_process --fd N --config JSON`.

Started by a worker, one each, with the lowest priority that the system has: it takes what nobody else wants
of a core. Words stay in it (the last two utterances of each call, in memory) and are logged nowhere; what
leaves it are probabilities, and the words themselves only where the settings keep them. It ends when the
other end of its socket closes, whatever it is at.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import sys
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Final

import msgspec

from emocx_pbx.analysis.worker.process import ONE_THREAD

#: Calls whose last words are remembered; the one silent for longest is forgotten first.
MAX_CALLS: Final = 1024
#: Phrases waiting: the worker sends one at a time.
MAX_WAITING: Final = 64


def main(argv: list[str] | None = None) -> int:
    """Run until the worker is gone; the exit status."""
    parser = argparse.ArgumentParser(prog="emocx-pbx-scribe")
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the worker")
    parser.add_argument("--config", required=True, help="WorkerConfig as JSON; -: on stdin")
    options = parser.parse_args(argv)
    text = sys.stdin.buffer.read() if options.config == "-" else options.config.encode()
    for name in ONE_THREAD:
        os.putenv(name, "1")
    stand_back()
    return asyncio.run(_main(options.fd, text))


def stand_back() -> None:
    """Take the lowest priority; where the system refuses it, the lowest that it gives."""
    os.nice(19)
    with suppress(AttributeError, OSError):  # no Linux, or forbidden: niceness must do
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def _main(fd: int, config_json: bytes) -> int:
    from emocx_pbx.analysis.config import WorkerConfig
    from emocx_pbx.analysis.worker.models import Loader, Models
    from emocx_pbx.analysis.worker.scribe_messages import (
        ForgetCall,
        Hear,
        ScribeReady,
        ToScribe,
        Understood,
    )
    from emocx_pbx.audio.pcm import from_slin, to_float
    from emocx_pbx.emotion.said import Said, phrase_words
    from emocx_pbx.observe.logs import configure
    from emocx_pbx.wire.link import Link

    config = msgspec.json.decode(config_json, type=WorkerConfig)
    configure(config.log)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd))
    link: Link[ToScribe] = Link(reader, writer, msgspec.msgpack.Decoder(ToScribe))
    models, waiting = Models(), asyncio.Queue[Hear | ForgetCall](MAX_WAITING)
    loader = Loader(config.settings, {}, models)
    calls: OrderedDict[str, Said] = OrderedDict()

    def hear(message: Hear) -> Understood:
        """In a thread; one at a time."""
        begun = time.process_time()
        said = calls.setdefault(message.call_id, Said())
        calls.move_to_end(message.call_id)
        while len(calls) > MAX_CALLS:
            calls.popitem(last=False)
        text, scores = "", None
        if models.transcriber is not None and models.text is not None:
            samples = to_float(from_slin(message.pcm))
            text, scores = phrase_words(models.transcriber, models.text, said, samples)
        return Understood(
            message.number,
            scores.probabilities if scores else None,
            scores.threshold if scores else 0.0,
            text if config.store_words and text else None,
            time.process_time() - begun,
        )

    async def listen() -> None:
        while (message := await link.receive()) is not None:
            await waiting.put(message)
        # Also in the middle of a phrase: nobody waits for it any more.
        os._exit(0)

    async def work() -> None:
        await asyncio.to_thread(loader.text)
        await asyncio.to_thread(loader.transcriber)
        ready = ScribeReady(
            models.transcriber.name if models.transcriber else None,
            models.text.name if models.text else None,
            models.problems,
        )
        link.send(ready)
        while True:
            message = await waiting.get()
            if isinstance(message, ForgetCall):
                calls.pop(message.call_id, None)
            else:
                link.send(await asyncio.to_thread(hear, message))

    async with asyncio.TaskGroup() as group:
        group.create_task(listen())
        group.create_task(work())
    return 0


if __name__ == "__main__":
    sys.exit(main())
