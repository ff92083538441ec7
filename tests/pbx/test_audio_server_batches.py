"""Connections that are read in batches: all that holds of one by one holds of them."""

from __future__ import annotations

import asyncio
import socket
import struct
from uuid import uuid4

from pbx.audio_bench import HANGUP, Bench, Tape, bench, rest, within

from emocx_pbx.pbx.audiosocket.protocol import SILENCE_20MS, encode_audio, encode_dtmf, encode_uuid
from emocx_pbx.pbx.audiosocket.server import AudioSession


class Batched(Tape):
    """A handler that bears delay."""

    def started(self, session: AudioSession, at: float) -> None:
        super().started(session, at)
        session.read_in_batches()


async def batched(it: Bench) -> tuple[asyncio.StreamReader, asyncio.StreamWriter, Tape]:
    uuid, tape = uuid4(), Batched()
    it.announced[uuid] = tape
    reader, writer = await it.connect()
    writer.write(encode_uuid(uuid))
    assert await within(reader.readexactly(len(SILENCE_20MS))) == SILENCE_20MS
    return reader, writer, tape


async def test_batches_bring_all_audio_and_the_end() -> None:
    async with bench() as it:
        peers = [await batched(it) for _ in range(9)]
        for n, (_, writer, _) in enumerate(peers):
            # More than is read at once, an odd message among them, and the last one in two halves.
            writer.write(b"".join(encode_audio(bytes([n, 1]) * 320) for _ in range(120)))
            writer.write(encode_audio(b"odd!") + encode_dtmf("7") + encode_audio(b"halves")[:5])
        for n, (_, writer, tape) in enumerate(peers):
            await tape.until(lambda t: t.digits == "7")
            assert tape.pcm == bytes([n, 1]) * 320 * 120 + b"odd!"
            writer.write(encode_audio(b"halves")[5:])
            writer.write_eof()
            await tape.until(lambda t: bool(t.reasons))
            assert tape.pcm.endswith(b"halves") and tape.reasons == ["peer closed"]
        assert not it.counts


async def test_in_batches_too_each_fault_is_its_own_connections() -> None:
    async with bench() as it:
        good, bad, cut, reset = [await batched(it) for _ in range(4)]
        bad[1].write(b"\x77\x00\x00")
        cut[1].write(encode_audio(b"halves")[:5])
        cut[1].write_eof()
        reset[1].get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        reset[1].close()
        for _, _, tape in (bad, cut, reset):
            await tape.until(lambda t: bool(t.reasons))
        assert bad[2].reasons[0].startswith("malformed") and cut[2].reasons[0].startswith("malformed")
        assert reset[2].reasons[0] in ("connection lost", "peer closed")
        good[1].write(encode_audio(b"ok"))
        await good[2].until(lambda t: t.pcm == b"ok")
        assert await within(good[0].readexactly(len(SILENCE_20MS))) == SILENCE_20MS


async def test_a_silent_connection_in_batches_is_idle_in_time() -> None:
    async with bench(idle_s=5.0) as it:
        _, _, tape = await batched(it)
        it.skew = 6.0
        await tape.until(lambda t: bool(t.reasons))
        assert tape.reasons == ["idle"]
        assert it.counts == {"audio_idle": 1}


async def test_an_end_of_ours_in_batches_waits_for_the_peer() -> None:
    async with bench() as it:
        reader, writer, tape = await batched(it)
        assert tape.session is not None
        tape.session.end()
        assert HANGUP in await within(reader.readuntil(HANGUP))
        writer.write(encode_audio(b"late"))
        writer.write_eof()
        assert await rest(reader) == b""
        assert tape.pcm == b"" and tape.reasons == ["ended by us"]
