"""Headers as writers leave them: finished, cut, never filled in, wrapped at 4 GB."""

from __future__ import annotations

import io
import os
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.audio import headers
from emocx_pbx.audio.recording import open_recording

SECOND = np.round(8000 * np.sin(np.arange(8000) / 7)).astype(np.int16)
UNKNOWN = (0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFF_F000)


def file(form: str, subtype: str) -> bytearray:
    out = io.BytesIO()
    soundfile.write(out, SECOND, 8000, format=form, subtype=subtype)
    return bytearray(out.getvalue())


def with_size(content: bytearray, size: int) -> bytearray:
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack("<I", size)
    content[4:8] = struct.pack("<I", (size + 36) & 0xFFFFFFFF)
    return content


def read(path: Path) -> tuple[int, bool]:
    """Samples that are read, and whether the file is called too short."""
    with open_recording(path) as recording:
        return sum(len(block) for block in recording.blocks()), recording.truncated


@pytest.mark.parametrize("size", UNKNOWN)
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "ULAW", "ALAW", "FLOAT"])
def test_an_unfinished_wav_is_read_to_its_end(tmp_path: Path, form: str, subtype: str, size: int) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(with_size(file(form, subtype), size))
    assert read(path) == (8000, False)


@pytest.mark.parametrize("subtype", ["GSM610", "IMA_ADPCM", "MS_ADPCM", "G721_32"])
def test_an_unfinished_wav_of_whole_blocks(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "call.WAV"
    path.write_bytes(with_size(file("WAV", subtype), 0))
    samples, truncated = read(path)
    assert 8000 <= samples < 8400
    assert not truncated


@pytest.mark.parametrize("ds64", [b"\0" * 24, b"\xff" * 24])
def test_an_unfinished_rf64(tmp_path: Path, ds64: bytes) -> None:
    content = file("RF64", "PCM_16")
    content[20:44] = ds64
    path = tmp_path / "call.wav"
    path.write_bytes(content)
    assert read(path) == (8000, False)


def test_an_unfinished_au(tmp_path: Path) -> None:
    content = file("AU", "ULAW")
    content[8:12] = bytes(4)
    path = tmp_path / "call.au"
    path.write_bytes(content)
    assert read(path) == (8000, False)


def test_a_length_that_was_written_early_or_wrapped_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(with_size(file("WAV", "PCM_16"), 4000))
    assert read(path) == (8000, False)


@pytest.mark.parametrize("chunk", [b"LIST", b"id3 ", b"bext", b"xyzw"])
def test_chunks_behind_the_audio_are_not_audio(tmp_path: Path, chunk: bytes) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(bytes(file("WAV", "PCM_16")) + chunk + struct.pack("<I", 26) + bytes(26))
    assert read(path) == (8000, False)


def test_an_empty_recording_with_a_chunk_stays_empty() -> None:
    content = bytes(with_size(file("WAV", "PCM_16")[:44], 0)) + b"LIST" + struct.pack("<I", 4) + b"INFO"
    found = headers.layout(content, len(content), content[44:52])
    assert found is not None
    assert found.length == 0


def test_a_promise_of_more_is_a_cut_file(tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(with_size(file("WAV", "PCM_16"), 320_000))
    assert read(path) == (8000, True)


@pytest.mark.parametrize("form", ["RIFF", "RF64"])
def test_more_than_4_gb_is_streamed(tmp_path: Path, form: str) -> None:
    """A sparse file of 5 GB: header and length are right, and reading it takes no memory."""
    length = 5_000_000_000
    content = bytes(with_size(file("WAV", "PCM_16")[:44], length & 0xFFFFFFFF))
    if form == "RF64":
        ds64 = b"ds64" + struct.pack("<IQQQI", 28, length + 72, length, length // 2, 0)
        content = b"RF64\xff\xff\xff\xffWAVE" + ds64 + content[12:40] + b"\xff\xff\xff\xff"
    path = tmp_path / "long.wav"
    path.write_bytes(content)
    os.truncate(path, len(content) + length)
    if form == "RIFF":
        with path.open("r+b") as stream:  # audio, not zeros, where the wrapped length ends
            stream.seek(44 + (length & 0xFFFFFFFF))
            stream.write(struct.pack("<4h", -2000, -1500, 900, 70))
    tracemalloc.start()
    try:
        with open_recording(path) as recording:
            assert recording.expected_s == length / 16000
            assert not recording.truncated
            blocks = recording.blocks()
            assert sum(len(next(blocks)) for _ in range(40)) == 40 * 65536
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_a_flac_from_a_pipe_says_no_length(tmp_path: Path) -> None:
    content = file("FLAC", "PCM_16")
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path = tmp_path / "pipe.flac"
    path.write_bytes(content)
    with open_recording(path) as recording:
        assert recording.expected_s == 0.0
        assert sum(len(block) for block in recording.blocks()) == 8000
        assert not recording.truncated


@given(
    st.binary(max_size=120), st.integers(0, 1 << 40), st.one_of(st.none(), st.binary(min_size=8, max_size=8))
)
def test_any_bytes_have_a_layout_or_none(noise: bytes, size: int, after: bytes | None) -> None:
    for head in (
        noise,
        b"RIFF\0\0\0\0WAVE" + noise,
        b"RF64\0\0\0\0WAVEfmt \x10\0\0\0" + noise,
        b".snd" + noise,
    ):
        found = headers.layout(head, max(size, len(head)), after)
        if found is not None:
            assert 0 <= found.length <= max(size, len(head)) - found.start
        headers.end(head, max(size, len(head)))
