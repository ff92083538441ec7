"""The AudioSocket decoder and encoder."""

from __future__ import annotations

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.audiosocket.protocol import (
    MAX_PAYLOAD,
    RATES,
    SILENCE_20MS,
    Audio,
    AudioMessage,
    Decoder,
    Dtmf,
    Error,
    Hangup,
    Uuid,
    encode,
    encode_audio,
    encode_dtmf,
    encode_hangup,
    encode_uuid,
)

CALL = UUID("40325ec2-5efd-4bd3-805f-53576e581d13")
OPENING = encode_uuid(CALL)

audio = st.builds(
    Audio,
    st.binary(max_size=400).map(lambda b: b[: len(b) // 2 * 2]),
    st.sampled_from(sorted(RATES.values())),
)
messages = st.one_of(
    audio,
    st.builds(Dtmf, st.sampled_from("0123456789*#ABCD")),
    st.builds(Error, st.one_of(st.none(), st.integers(0, 255))),
)


def split(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(c % (len(stream) + 1) for c in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def pressed(chunks: list[bytes], joined: bool) -> list[AudioMessage]:
    """Messages, with audio of one rate that follows on itself joined."""
    decoder = Decoder()
    out: list[AudioMessage] = []
    for chunk in chunks:
        for message in decoder.receive_joined(chunk) if joined else decoder.receive(chunk):
            last = out[-1] if out else None
            if isinstance(message, Audio) and isinstance(last, Audio) and last.rate == message.rate:
                out[-1] = Audio(last.pcm + message.pcm, last.rate)
            else:
                out.append(message)
    return out


def decode(chunks: list[bytes]) -> tuple[list[AudioMessage], str | None]:
    decoder = Decoder()
    found: list[AudioMessage] = []
    for chunk in chunks:
        try:
            found += decoder.receive(chunk)
        except ProtocolError as error:
            return found, str(error)
    return found, str(decoder.failure) if decoder.failure else None


@given(st.lists(messages, max_size=8), st.booleans(), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_split_of_a_good_stream_decodes_to_what_was_sent(
    body: list[AudioMessage], hangup: bool, cuts: list[int]
) -> None:
    sent: list[AudioMessage] = [Uuid(CALL), *body, *([Hangup()] if hangup else [])]
    stream = b"".join(encode(message) for message in sent)
    assert decode(split(stream, cuts)) == (sent, None)


@given(st.lists(messages, max_size=3), st.binary(max_size=60), st.lists(st.integers(0, 10_000), max_size=20))
def test_any_split_of_any_bytes_decodes_or_fails_alike(
    body: list[AudioMessage], junk: bytes, cuts: list[int]
) -> None:
    stream = OPENING + b"".join(encode(message) for message in body) + junk
    whole = decode([stream])
    assert decode(split(stream, cuts)) == whole
    assert decode([stream[i : i + 1] for i in range(len(stream))]) == whole


@given(st.binary(max_size=200), st.lists(st.integers(0, 10_000), max_size=8))
def test_arbitrary_bytes_never_raise_anything_but_protocol_error(stream: bytes, cuts: list[int]) -> None:
    assert decode(split(stream, cuts)) == decode([stream])


@pytest.mark.parametrize(
    ("stream", "wrong"),
    [
        (b"\x10\x01\x40", "message 0x10 before the UUID"),
        (b"\x00\x00\x00", "message 0x00 before the UUID"),
        (b"\x01\x00\x0f", "UUID of 15 bytes"),
        (OPENING + OPENING, "second UUID"),
        (OPENING + b"\x02\x00\x00", "unknown kind 0x02"),
        (OPENING + b"\x19\x00\x02ab", "unknown kind 0x19"),
        (OPENING + b"\x10\xff\xfe", "absurd length 65534"),
        (OPENING + b"\x10\x00\x03", "odd length 3"),
        (OPENING + b"\x03\x00\x02", "DTMF of 2 bytes"),
        (OPENING + b"\x03\x00\x01\x07", "0x07 is not a DTMF digit"),
        (OPENING + b"\x00\x00\x01", "hangup of 1 bytes"),
        (OPENING + b"\xff\x00\x02", "error of 2 bytes"),
        (b"GET / HTTP/1.1\r\n", "message 0x47 before the UUID"),
    ],
)
def test_a_broken_stream_is_refused_by_name(stream: bytes, wrong: str) -> None:
    found, failure = decode([stream])
    assert failure is not None and wrong in failure
    assert found == ([Uuid(CALL)] if stream.startswith(OPENING) else [])


def test_a_failure_repeats_and_no_bytes_are_kept() -> None:
    decoder = Decoder()
    assert decoder.receive(OPENING + b"\x55\x00\x00") == [Uuid(CALL)]
    assert decoder.failure is not None
    with pytest.raises(ProtocolError, match="unknown kind 0x55"):
        decoder.receive(SILENCE_20MS)
    assert decoder.pending == 0


def test_a_header_alone_is_refused_before_its_payload_arrives() -> None:
    decoder = Decoder(max_payload=640)
    decoder.receive(OPENING)
    with pytest.raises(ProtocolError, match="absurd length 642"):
        decoder.receive(b"\x10\x02\x82")


def test_memory_is_bounded_by_one_message() -> None:
    decoder = Decoder()
    decoder.receive(OPENING)
    message = encode_audio(bytes(MAX_PAYLOAD))
    for _ in range(3):
        decoder.receive(message[:-1])
        assert decoder.pending == len(message) - 1
        assert len(decoder.receive(message[-1:])) == 1
        assert decoder.pending == 0


def test_a_cut_message_is_visible_as_pending() -> None:
    decoder = Decoder()
    decoder.receive(OPENING + b"\x10\x01")
    assert decoder.pending == 2


def test_bytes_after_the_hangup_are_ignored() -> None:
    decoder = Decoder()
    assert decoder.receive(OPENING + encode_hangup() + b"\x99rubbish") == [Uuid(CALL), Hangup()]
    assert decoder.receive(b"more") == []
    assert decoder.pending == 0


def test_a_stereo_message_is_one_of_640_bytes() -> None:
    pcm = bytes(range(256)) * 2 + bytes(128)
    assert decode([OPENING + b"\x10\x02\x80" + pcm]) == ([Uuid(CALL), Audio(pcm, 8_000)], None)


def test_lengths_are_big_endian() -> None:
    assert encode_audio(bytes(320))[:3] == b"\x10\x01\x40"
    assert encode_hangup() == b"\x00\x00\x00"
    assert b"\x01\x00\x10" + CALL.bytes == OPENING


@pytest.mark.parametrize(
    "bad",
    [lambda: encode_audio(b"a"), lambda: encode_audio(b"ab", 11_025), lambda: encode_audio(bytes(65_536))],
)
def test_impossible_audio_is_not_encoded(bad: object) -> None:
    with pytest.raises(ProtocolError):
        bad()  # type: ignore[operator]


@pytest.mark.parametrize("digit", ["", "12", "x", "é"])
def test_impossible_digits_are_not_encoded(digit: str) -> None:
    with pytest.raises(ProtocolError):
        encode_dtmf(digit)


@given(st.lists(messages, max_size=6), st.integers(1, 7), st.lists(st.integers(0, 10**6), max_size=8))
def test_alike_messages_joined_are_the_same_audio(
    some: list[AudioMessage], times: int, cuts: list[int]
) -> None:
    stream = b"".join(encode(message) * times for message in some)
    chunks = [OPENING, *split(stream, cuts)]
    assert pressed(chunks, joined=True) == pressed(chunks, joined=False)


def test_a_taps_messages_come_as_one() -> None:
    decoder = Decoder()
    decoder.receive(OPENING)
    sent = [bytes([n, 0]) * 320 for n in range(5)]
    assert decoder.receive_joined(b"".join(map(encode_audio, sent))) == [Audio(b"".join(sent))]
