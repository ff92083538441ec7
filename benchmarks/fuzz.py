"""Random and broken input for everything that strangers can reach, at any number of inputs.

    python -m benchmarks.fuzz [--number 10000000] [--only ami,forms] [--seed 1]

Each target either takes an input or refuses it by the error that it names; anything else is a finding,
told with the seed of the input, by which `--seed N --number 1` makes it again. The tests run 100,000 each.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import phonenumbers

from benchmarks.fuzz_hosts import between_hosts
from emocx_pbx.analysis.messages import ToController, ToWorker
from emocx_pbx.analysis.worker.scribe_messages import FromScribe, ToScribe
from emocx_pbx.dispatch.numbers import parsed
from emocx_pbx.errors import InputError, ProtocolError
from emocx_pbx.pbx.agi.protocol import (
    ReplyReader,
    arguments,
    marked_value,
    parse_opening,
    safe_value,
    script_path,
)
from emocx_pbx.pbx.ami.link import AmiLink, LinkProtocol
from emocx_pbx.pbx.audiosocket.protocol import Decoder
from emocx_pbx.web.forms import fields_of, media_of
from emocx_pbx.web.identity.forwarded import client_address, networks
from emocx_pbx.web.messages import FromWeb, ToWeb
from emocx_pbx.web.numbers import finite, whole
from emocx_pbx.web.v1.answers import cursor_of, place_of
from emocx_pbx.wire.link import decoded
from emocx_pbx.wire.message import BadMessage

NUMBER: Final = 10_000_000

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
                marked_value(reply, "mark")
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


# HTTP.

_TYPES: Final = (
    b"application/x-www-form-urlencoded",
    b"multipart/form-data",
    b"application/json",
    b"; charset=utf-8",
    b"; charset=punycode",
    b"; boundary=b",
    b'; boundary="b"',
    b"; boundary=",
    b"text/plain",
    b" ",
    b"*",
)
_FORM: Final = (
    b"text=hello",
    b"&",
    b"a=%41",
    b"--b",
    b"--b--",
    b"\r\n",
    b"\r\n\r\n",
    b"\r\n--b\r\n",
    b"\r\n--b--\r\n",
    b'Content-Disposition: form-data; name="text"',
    b'; filename="x"',
    b"Content-Type: text/plain",
    b"Content-Transfer-Encoding: base64",
    b"; charset=utf-7",
    b"consent=yes",
)


def forms(chance: random.Random) -> None:
    """A body of any kind, as handlers of forms read it."""
    try:
        media = media_of(mixed(chance, _TYPES, 5).decode("utf-8", "surrogateescape"))
        fields = fields_of(media, mixed(chance, _FORM, 24))
    except InputError:
        return
    assert len(fields) <= 200
    for name, text in fields:
        (name + text).encode()


_HOPS: Final = (
    b"127.0.0.1",
    b"203.0.113.9",
    b"::1",
    b"[::ffff:1.2.3.4]:80",
    b", ",
    b",",
    b"unknown",
    b"fe80::1%eth0",
)
_TRUSTED: Final = networks(("127.0.0.0/8", "10.0.0.0/8"))


def forwarded(chance: random.Random) -> None:
    """X-Forwarded-For as any client may write it."""
    given = [mixed(chance, _HOPS, 6).decode("utf-8", "surrogateescape") for _ in range(chance.randrange(3))]
    with contextlib.suppress(InputError):
        client_address(chance.choice(("127.0.0.1", "198.51.100.1", "")), given, _TRUSTED)


_CURSORS: Final = tuple(
    cursor_of(place_of(None).__class__(at, key, number)).encode()
    for at, key, number in ((0.0, "", 0), (1.7e9, "c1", 7), (float("inf"), "x", 1), (1.0, "k" * 40, 2**62))
)


def cursors(chance: random.Random) -> None:
    """A cursor: one of ours, changed or not, or anything else."""
    given = bytearray(mixed(chance, _CURSORS, 3))
    if given and chance.random() < 0.7:
        given[chance.randrange(len(given))] = chance.randrange(256)
    try:
        place = place_of(given.decode("utf-8", "replace"))
    except InputError:
        return
    assert abs(place.number) < 2**63 and place.at - place.at == 0


_NUMBERS: Final = (
    b"+49",
    b"030",
    b"0900",
    b"(0)",
    b"/",
    b" ",
    b"123456",
    b"112",
    b"1",
    b"0",
    b".",
    b"-",
    b"\xc2\xb2",
)


def numbers(chance: random.Random) -> None:
    """A telephone number, and numbers in addresses and forms."""
    given = mixed(chance, _NUMBERS, 8).decode("utf-8", "replace")
    number = parsed(given, chance.choice(("", "+49", "+1")))
    dialled = (
        None if number is None else phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    )
    assert dialled is None or (dialled[0] == "+" and dialled[1:].isascii() and dialled[1:].isdigit())
    count, at = whole(given), finite(given)
    assert (count is None or 0 <= count < 2**63) and (at is None or at - at == 0)


# What crosses between processes.

_DECODERS: Final = tuple(
    msgspec.msgpack.Decoder(kind) for kind in (ToWorker, ToController, FromScribe, ToScribe, FromWeb, ToWeb)
)
_NAMES: Final = (
    "AnnounceTap",
    "AnnounceListen",
    "EndSession",
    "ClassifyText",
    "TextResult",
    "ReadingMade",
    "Nothing",
    "DoDeed",
    "Ring",
    "MayDial",
    "DeedDone",
    "BoardChanged",
)
#: Of deeds, and what may stand in the place of one.
_DEEDS: Final = ("OverrideGrade", "Replay", "EraseCustomer", "AddUser", "KeepAnswer", "Nothing")


def messages(chance: random.Random) -> None:
    """A message with some of its fields."""
    values: list[Any] = [
        "5a0f1f9e-0000-4000-8000-000000000001",
        "",
        "x" * 300,
        1,
        -1.0,
        float("nan"),
        None,
        [],
        {},
    ]
    body: dict[str, Any] = {"type": chance.choice(_NAMES)}
    if chance.random() < 0.5:
        fields = ("call_id", "segment", "score", "reason", "which", "customer", "number", "name", "body")
        deed = {name: chance.choice(values) for name in fields if chance.random() < 0.7}
        body["deed"] = chance.choice((deed | {"type": chance.choice(_DEEDS)}, *values))
        body["by"] = chance.choice(({"name": "ann", "address": ""}, {"name": 1}, *values))
    for name in (
        "uuid",
        "call_id",
        "mode",
        "offset_s",
        "ttl_s",
        "request_id",
        "text",
        "probabilities",
        "threshold",
    ):
        if chance.random() < 0.7:
            body[name] = chance.choice(values)
    raw = bytearray(msgspec.msgpack.encode(body))
    if chance.random() < 0.3:
        raw[chance.randrange(len(raw))] = chance.randrange(256)
    for decoder in _DECODERS:
        with contextlib.suppress(BadMessage):
            decoded(decoder, bytes(raw))


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


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=NUMBER, help="inputs for each target")
    parser.add_argument("--only", default="", help="names of targets, with commas")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    found = 0
    for name in args.only.split(",") if args.only else asyncio.run(_names()):
        begin = time.perf_counter()
        try:
            asyncio.run(fuzz(name, args.number, args.seed))
        except AssertionError as error:
            found += 1
            print(error, flush=True)
        else:
            seconds = time.perf_counter() - begin
            print(f"{name}: {args.number} inputs in {seconds:.0f} s, no finding", flush=True)
    return 1 if found else 0


async def _names() -> list[str]:
    return list(targets())


if __name__ == "__main__":
    sys.exit(main())
