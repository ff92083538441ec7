"""A scribe that behaves as it is told: answers, hangs, dies, is slow, or has no models.

    python stub_scribe.py BEHAVIOUR --fd N --config -

What a phrase "says" is its first sample: 1 angry, 2 nothing; 3 to die of, 4 to hang on, 5 to be slow on.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys

import msgspec

from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.worker.scribe_messages import ForgetCall, ScribeReady, ToScribe, Understood
from emocx_pbx.wire.link import Link


async def main() -> None:
    behaviour, fd = sys.argv[1], int(sys.argv[sys.argv.index("--fd") + 1])
    config = msgspec.json.decode(sys.stdin.buffer.read(), type=WorkerConfig)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd))
    link: Link[ToScribe] = Link(reader, writer, msgspec.msgpack.Decoder(ToScribe))
    if behaviour == "none":
        link.send(ScribeReady(None, "stub/1", ["speech-to-text: missing"]))
    else:
        link.send(ScribeReady("stub", "stub/1", []))
    while (message := await link.receive()) is not None:
        if isinstance(message, ForgetCall):
            continue
        match message.pcm[0]:
            case 3:
                os._exit(9)
            case 4:
                await asyncio.Event().wait()
            case 5:
                await asyncio.sleep(0.4)
        said = None if message.pcm[0] == 2 else (0.7, 0.1, 0.1, 0.1)
        text = "charged twice" if config.store_words else None
        link.send(Understood(message.number, said, 0.4, text))


asyncio.run(main())
