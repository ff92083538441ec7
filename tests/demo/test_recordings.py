from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.errors import InputError
from emocx_pbx.lab import recordings

EVERY = np.arange(-32768, 32768, dtype=np.int32).astype(np.int16)


def decoded(code: bytes) -> np.ndarray:
    """G.711's own decoding, written the other way round than the encoder."""
    c = ~np.frombuffer(code, np.uint8).astype(np.int32) & 0xFF
    magnitude = ((((c & 0x0F) << 3) + 0x84) << ((c >> 4) & 7)) - 0x84
    return np.where(c & 0x80, -magnitude, magnitude).astype(np.int16)


def test_mulaw_is_what_the_models_were_trained_through() -> None:
    assert np.array_equal(decoded(recordings.mulaw(EVERY)), mulaw_roundtrip(EVERY))


def test_silence_is_silence() -> None:
    assert recordings.mulaw(np.zeros(3, np.int16)) == b"\xff\xff\xff"


def test_the_shipped_call_has_two_lively_sides() -> None:
    call = recordings.load()
    assert len(call.customer) == len(call.agent) == 45 * recordings.RATE
    assert np.abs(call.customer).max() > 5000
    assert np.abs(call.agent).max() > 5000


def test_one_file_a_side_and_another_rate(tmp_path: Path) -> None:
    tone = (8000 * np.sin(np.arange(48000) / 10)).astype(np.int16)
    soundfile.write(tmp_path / "c.wav", tone, 48000)
    soundfile.write(tmp_path / "a.wav", tone[:8000], 8000)
    call = recordings.load(tmp_path / "c.wav", tmp_path / "a.wav")
    assert len(call.customer) == len(call.agent) == 8000


def test_one_side_alone_has_a_silent_agent(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "c.wav", EVERY[:800], 8000)
    assert not recordings.load(tmp_path / "c.wav").agent.any()


@pytest.mark.parametrize("content", [None, b"", b"RIFF nonsense"])
def test_what_is_no_recording_is_refused_in_one_line(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "x.wav"
    if content is not None:
        path.write_bytes(content)
    for use in (recordings.load, recordings.channels_of):
        with pytest.raises(InputError) as refused:
            use(path)
        assert str(path) in str(refused.value)
        assert "\n" not in str(refused.value)
