"""What comes over HTTP: forms, proxies' headers, cursors and numbers."""

from __future__ import annotations

import contextlib
import random
from typing import Final

import phonenumbers

from benchmarks.fuzz.mixed import mixed
from emocx_pbx.dispatch.numbers import parsed
from emocx_pbx.errors import InputError
from emocx_pbx.web.forms import fields_of, media_of
from emocx_pbx.web.identity.forwarded import client_address, networks
from emocx_pbx.web.numbers import finite, whole
from emocx_pbx.web.v1.answers import cursor_of, place_of

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
