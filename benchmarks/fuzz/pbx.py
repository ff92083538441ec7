"""What a PBX sends: AudioSocket, FastAGI, and the manager interface."""

from __future__ import annotations

import asyncio
import random
from typing import Final

from benchmarks.fuzz.mixed import mixed
from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.agi.protocol import (
    ReplyReader,
    arguments,
    marked_values,
    parse_opening,
    safe_value,
    script_path,
)
from emocx_pbx.pbx.ami.link import AmiLink, LinkProtocol
from emocx_pbx.pbx.audiosocket.protocol import Decoder

# AudioSocket.

_SOCKET: Final = (
    b"\x01\x00\x10" + bytes(16),
    b"\x10\x00\x04\x00\x01\x00\x02",
    b"\x00\x00\x00",
    b"\x03\x00\x015",
    b"\xff\x00\x01\x01",
    b"\x11\x00\x02ab",
    b"\x10",
    b"\x01\x00",
    b"\x10\xff\xff",
)


def audiosocket(chance: random.Random) -> None:
    """A stream in pieces, through the decoder."""
    decoder = Decoder()
    for _ in range(chance.randrange(1, 4)):
        try:
            for _message in decoder.receive(mixed(chance, _SOCKET)):
                pass
        except ProtocolError:
            break
    assert decoder.failure is None or isinstance(decoder.failure, ProtocolError)


# FastAGI.

_AGI: Final = (
    b"agi_network_script: route",
    b"agi_request: agi://h/listen?x",
    b"agi_channel: PJSIP/a",
    b"\n",
    b"\n",
    b"agi_uniqueid: 1.1",
    b"agi_arg_1: ",
    b"agi_",
    b"200 result=1 (",
    b"mark",
    b")",
    b"520-Usage",
    b"520 End",
    b"100 Trying",
    b"HANGUP",
    b"510 ",
)


def fastagi(chance: random.Random) -> None:
    """An opening and a reply, by lines; and a value to set."""
    lines = mixed(chance, _AGI, 20).decode("utf-8", "replace").split("\n")
    try:
        env = parse_opening(lines)
        script_path(env), arguments(env)
    except ProtocolError:
        pass
    reader = ReplyReader(chance.choice((None, "mark")))
    try:
        for line in lines:
            if reply := reader.take(line):
                marked_values(reply, "mark", chance.choice((1, 2)))
                break
    except ProtocolError:
        pass
    safe = safe_value("\n".join(lines))
    assert not set('${}"\\;,`|\n\r\x00') & set(safe) and len(safe.encode()) <= 1024
    depth = [safe[:end].count("(") - safe[:end].count(")") for end in range(len(safe) + 1)]
    assert min(depth) == 0 == depth[-1], "a parenthesis without its other half"


# AMI.

_AMI: Final = (
    b"Event: UserEvent",
    b"Event: Hangup",
    b"Response: Success",
    b"Response: Follows",
    b"Response: Error",
    b"ActionID: 1",
    b"CommandID: ",
    b"EventList: start",
    b"EventList: Complete",
    b"Uptime: \xc2\xb2",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n\r\n",
    b"Message: x",
    b"Result: %",
    b"UserEvent: a",
    b"event: b",
    b": x",
)


class AmiTarget:
    """One protocol that outlives all messages."""

    def __init__(self) -> None:
        self.link = AmiLink("", 0, None, lambda event: None)
        self.protocol = LinkProtocol(self.link)
        self.protocol.connection_made(asyncio.Transport())
        self.protocol.data_received(b"Asterisk Call Manager/11.0.0\r\n")
        # Not the guarded loop: what it would catch is a finding here.
        self.protocol._handle = self._handle  # type: ignore[method-assign]

    def _handle(self, text: str) -> None:
        from emocx_pbx.pbx.ami.link import read_message

        if (message := read_message(text)) is not None:
            self.protocol.handle_message(message)

    def __call__(self, chance: random.Random) -> None:
        """Some bytes more, and often the end of a message."""
        self.protocol.data_received(mixed(chance, _AMI, 16) + chance.choice((b"", b"\r\n\r\n")))
        assert not self.link.reason or self.link.reason.startswith("message of more")
        if len(self.protocol._buffer) > 100_000:
            self.protocol.data_received(b"\r\n\r\n")
