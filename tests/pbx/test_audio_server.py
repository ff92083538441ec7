"""The AudioSocket server against raw sockets: good peers, and every kind of bad one."""

from __future__ import annotations

import asyncio
import socket
import struct
from uuid import uuid4

import pytest
from pbx.audio_bench import CALL, HANGUP, Tape, assert_still_works, bench, rest, within
from structlog.testing import capture_logs

from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.audiosocket.protocol import NOBODY, SILENCE_20MS, encode_audio, encode_dtmf, encode_uuid


async def test_a_good_session_from_uuid_to_close() -> None:
    async with bench() as it:
        _reader, writer, tape = await it.call()
        assert tape.session is not None
        writer.write(encode_audio(b"\x01\x00" * 160) + encode_dtmf("5"))
        writer.write(encode_audio(b"\x02\x00" * 320))
        await tape.until(lambda t: len(t.pcm) == 960)
        assert tape.digits == "5"
        writer.close()
        await tape.until(lambda t: bool(t.reasons))
        assert tape.reasons == ["peer closed"]
        assert tape.times == sorted(tape.times)
        assert not it.counts


async def test_silence_comes_at_once_and_then_every_200_ms() -> None:
    async with bench() as it:
        reader, _, _ = await it.call()
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(3):
            assert await within(reader.readexactly(323)) == SILENCE_20MS
        assert 0.5 < loop.time() - began < 2.0


async def test_our_own_audio_goes_out_instead_of_silence() -> None:
    async with bench() as it:
        reader, _, tape = await it.call()
        assert tape.session is not None
        tape.session.send_audio(b"\x07\x00" * 160)
        assert await within(reader.readexactly(323)) == encode_audio(b"\x07\x00" * 160)
        with pytest.raises(ProtocolError):
            tape.session.send_audio(b"\x07")


async def test_end_says_0x00_tells_the_handler_and_waits_for_the_peer_to_close() -> None:
    async with bench() as it:
        reader, writer, tape = await it.call()
        assert tape.session is not None
        tape.session.end()
        assert tape.reasons == ["ended by us"]
        assert await within(reader.readexactly(3)) == HANGUP
        assert not reader.at_eof()
        writer.write(encode_audio(b"late"))  # is drained, and neither handed on nor answered by a reset
        writer.write_eof()
        assert await rest(reader) == b""
        assert tape.pcm == b"" and tape.reasons == ["ended by us"]
        tape.session.send_audio(b"no")
        assert it.counts == {"audio_write_dropped": 1}


async def test_a_peer_that_does_not_close_after_0x00_is_cut_off() -> None:
    async with bench() as it:
        reader, _writer, tape = await it.call()
        assert tape.session is not None
        tape.session.end()
        assert (await rest(reader)).startswith(HANGUP)


@pytest.mark.parametrize(
    ("opening", "tail", "counter"),
    [
        (False, b"\x10\x01\x40" + bytes(320), "audio_malformed"),  # audio before the UUID
        (False, b"GET / HTTP/1.1\r\n\r\n", "audio_malformed"),
        (False, b"\x01\x00\x20" + bytes(32), "audio_malformed"),  # UUID of a wrong length
        (False, encode_uuid(CALL), "audio_unknown_uuid"),
        (True, b"\x10\xff\xff", "audio_malformed"),  # absurd length
        (True, b"\x42\x00\x00", "audio_malformed"),  # unknown kind
        (True, encode_uuid(CALL), "audio_malformed"),  # second UUID
    ],
    ids=["early audio", "http", "long uuid", "unknown uuid", "absurd length", "unknown kind", "second uuid"],
)
async def test_malformed_input_ends_that_connection_alone(opening: bool, tail: bytes, counter: str) -> None:
    async with bench() as it:
        _, other_writer, other = await it.call()
        with capture_logs() as lines:
            if opening:
                reader, writer, tape = await it.call()
            else:
                (reader, writer), tape = await it.connect(), None
            writer.write(tail)
            assert (await rest(reader)).endswith(HANGUP)
        assert it.counts == {counter: 1}
        assert [line["log_level"] for line in lines] == ["warning"]
        if tape is not None:
            assert len(tape.reasons) == 1
        other_writer.write(encode_audio(b"fine"))
        await other.until(lambda t: t.pcm == b"fine")
        await assert_still_works(it)


@pytest.mark.parametrize("part", [b"\x01", b"\x01\x00\x10abc"], ids=["header", "uuid"])
async def test_a_short_opening_then_eof_is_malformed(part: bytes) -> None:
    async with bench() as it:
        with capture_logs() as lines:
            reader, writer = await it.connect()
            writer.write(part)
            writer.write_eof()
            await rest(reader)
        assert it.counts == {"audio_malformed": 1}
        assert len(lines) == 1
        await assert_still_works(it)


async def test_a_message_cut_by_eof_is_malformed_after_the_good_audio() -> None:
    async with bench() as it:
        reader, writer, tape = await it.call()
        writer.write(encode_audio(b"good") + b"\x10\x01\x40half")
        writer.write_eof()
        await rest(reader)
        assert tape.pcm == b"good"
        assert tape.reasons == ["malformed: cut in the middle of a message"]
        assert it.counts == {"audio_malformed": 1}


async def test_a_port_probe_is_quiet() -> None:
    async with bench() as it:
        with capture_logs() as lines:
            reader, writer = await it.connect()
            writer.write_eof()
            await rest(reader)
        assert not it.counts
        assert [line["log_level"] for line in lines] == ["debug"]


async def test_the_checks_knock_is_answered_and_no_cause_for_worry() -> None:
    async with bench() as it:
        reader, writer = await it.connect()
        with capture_logs() as lines:
            writer.write(encode_uuid(NOBODY))
            assert await rest(reader) == HANGUP
        assert not it.counts
        assert not [line for line in lines if line["log_level"] != "debug"]


async def test_a_uuid_is_accepted_once() -> None:
    async with bench() as it:
        uuid, tape = it.announce()
        _, first = await it.connect()
        first.write(encode_uuid(uuid))
        await tape.until(lambda t: t.session is not None)
        reader, second = await it.connect()
        second.write(encode_uuid(uuid))
        assert await rest(reader) == HANGUP
        assert it.counts == {"audio_unknown_uuid": 1}
        assert not tape.reasons


async def test_a_slow_loris_is_ended_at_the_handshake_deadline() -> None:
    async with bench(handshake_s=0.15) as it:
        reader, writer = await it.connect()
        uuid, tape = it.announce()
        # The bytes keep coming, but the UUID is never complete.
        for byte in encode_uuid(uuid)[:-1]:
            writer.write(bytes([byte]))
            await writer.drain()
        assert await rest(reader) == HANGUP
        assert it.counts == {"audio_handshake_overdue": 1}
        assert tape.session is None
        await assert_still_works(it)


async def test_a_peer_that_says_nothing_is_ended_when_idle() -> None:
    async with bench(idle_s=10) as it:
        reader, writer, tape = await it.call()
        writer.write(b"\x10\x01")  # bytes that complete no message are no sign of life
        it.skew = 10.0
        await tape.until(lambda t: bool(t.reasons))
        assert tape.reasons == ["idle"]
        assert (await rest(reader)).endswith(HANGUP)
        assert it.counts == {"audio_idle": 1}


async def test_a_peer_that_talks_is_not_idle() -> None:
    async with bench(idle_s=10) as it:
        reader, writer, tape = await it.call()
        it.skew = 9.0
        writer.write(encode_audio(b"hi"))
        await tape.until(lambda t: t.pcm == b"hi")
        it.skew = 18.0
        for _ in range(2):
            await within(reader.readexactly(323))
        assert not tape.reasons


async def test_a_peer_that_does_not_read_costs_bounded_memory_and_ends_when_idle() -> None:
    async with bench(idle_s=10) as it:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", it.server.port))
        uuid, tape = it.announce()
        await asyncio.get_running_loop().sock_sendall(raw, encode_uuid(uuid))
        await tape.until(lambda t: t.session is not None)
        session = tape.session
        assert session is not None and session._transport is not None
        async with asyncio.timeout(5):
            while not it.counts["audio_write_dropped"]:
                session.send_audio(bytes(32_000))
                await asyncio.sleep(0)
        held = session._transport.get_write_buffer_size()
        assert held < 100_000
        for _ in range(100):
            session.send_audio(bytes(32_000))
        it.skew = 1.0  # time for a silence
        session._tick()
        assert session._transport.get_write_buffer_size() == held
        it.skew = 10.0
        await tape.until(lambda t: t.reasons == ["idle"])
        raw.close()


async def test_a_reset_connection_ends_its_session() -> None:
    async with bench() as it:
        _, writer, tape = await it.call()
        writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        writer.transport.abort()
        await tape.until(lambda t: bool(t.reasons))
        assert tape.reasons == ["connection lost"]
        await assert_still_works(it)


async def test_a_hangup_or_error_from_the_peer_ends_its_session() -> None:
    async with bench() as it:
        for farewell, reason in ((HANGUP, "peer hung up"), (b"\xff\x00\x01\x02", "peer error 2")):
            reader, writer, tape = await it.call()
            writer.write(farewell)
            await tape.until(lambda t: bool(t.reasons))
            assert tape.reasons == [reason]
            assert (await rest(reader)).endswith(HANGUP)


async def test_a_faulty_handler_ends_only_its_own_session() -> None:
    class Faulty(Tape):
        def audio(self, pcm: bytes, rate: int, at: float) -> None:
            raise RuntimeError("boom")

    async with bench() as it:
        uuid, tape = uuid4(), Faulty()
        it.announced[uuid] = tape
        reader, writer = await it.connect()
        writer.write(encode_uuid(uuid) + encode_audio(b"ab"))
        assert (await rest(reader)).endswith(HANGUP)
        assert tape.reasons == ["handler failed"]
        assert it.counts == {"audio_handler_failed": 1}
        await assert_still_works(it)


async def test_more_connections_than_allowed_are_turned_away() -> None:
    async with bench(max_sessions=1) as it:
        _, writer, tape = await it.call()
        reader, _ = await it.connect()
        assert await rest(reader) == HANGUP
        assert it.counts == {"audio_crowded": 1}
        writer.close()
        await tape.until(lambda t: bool(t.reasons))


async def test_stop_ends_every_session_in_order() -> None:
    async with bench() as it:
        readers = []
        tapes = []
        for _ in range(5):
            reader, _, tape = await it.call()
            readers.append(reader)
            tapes.append(tape)
        await within(it.server.stop())
        assert it.server.sessions == 0
        assert [tape.reasons for tape in tapes] == [["server stopped"]] * 5
        for reader in readers:
            assert (await rest(reader)).startswith(HANGUP)
        with pytest.raises(OSError):
            await it.connect()
