"""One signal or two sides: the likelier reading of headerless samples."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.audio.interleaved import is_interleaved
from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.audio.recording import open_recording
from emocx_pbx.errors import InputError

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"


@pytest.fixture(scope="module")
def call() -> tuple[Samples, Samples]:
    left, right = (soundfile.read(DATA / f"call_{s}.flac", dtype="int16")[0] for s in ("customer", "agent"))
    return left, right


def pairs(left: Samples, right: Samples) -> Samples:
    return np.stack([left, right], axis=1).ravel()


def test_two_sides_are_found(call: tuple[Samples, Samples]) -> None:
    customer, agent = call
    silence = np.zeros_like(customer)
    echo = np.concatenate([np.zeros(320, np.int16), customer[:-320] // 4])
    for left, right in (
        (customer, agent), (agent, customer), (customer, silence), (silence, agent), (customer, customer),
        (customer, customer // 2), (customer, echo), (mulaw_roundtrip(customer), mulaw_roundtrip(agent)),
    ):  # fmt: skip
        assert is_interleaved(pairs(left, right))


def tone(hz: float) -> Samples:
    return (6000 * np.sin(2 * np.pi * hz * np.arange(80_000) / 8000)).astype(np.int16)


def test_one_signal_stays_one(call: tuple[Samples, Samples]) -> None:
    customer, agent = call
    rng = np.random.default_rng(0)
    for one in (
        customer, agent, mulaw_roundtrip(customer), (customer // 2 + agent // 2).astype(np.int16),
        rng.normal(0, 3000, 80_000).astype(np.int16), np.zeros(80_000, np.int16),
        *(mulaw_roundtrip(tone(low) + tone(high))
          for low in (697, 770, 852, 941) for high in (1209, 1336, 1477)),
        *(tone(hz) for hz in (50, 350, 425, 480, 1000, 1100, 2900)),
    ):  # fmt: skip
        assert not is_interleaved(one)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 160_000), st.integers(40_000, 80_000), st.floats(0.1, 1.0))
def test_any_stretch_of_a_call(start: int, length: int, gain: float) -> None:
    left, right = (soundfile.read(DATA / f"call_{s}.flac", dtype="int16")[0] for s in ("customer", "agent"))
    one = (gain * left[start : start + length]).astype(np.int16)
    other = (gain * right[start : start + length]).astype(np.int16)
    assert not is_interleaved(one)
    assert not is_interleaved(other)
    if max(np.abs(one).max(initial=0), np.abs(other).max(initial=0)) > 2000:
        assert is_interleaved(pairs(one, other))


def test_a_headerless_file_is_read_as_it_sounds_or_as_said(
    tmp_path: Path, call: tuple[Samples, Samples]
) -> None:
    path = tmp_path / "call.raw"
    path.write_bytes(pairs(*call).tobytes())
    with open_recording(path) as recording:
        assert (recording.channels, recording.expected_s, recording.found_interleaved) == (2, 26.0, True)
        assert np.array_equal(np.concatenate(list(recording.blocks())), np.stack(call, axis=1))
    with open_recording(path, interleaved=False) as recording:
        assert (recording.channels, recording.expected_s, recording.found_interleaved) == (1, 52.0, False)
    quiet = tmp_path / "quiet.sln"
    quiet.write_bytes(bytes(32_000))
    with open_recording(quiet) as recording:
        assert (recording.channels, recording.found_interleaved) == (1, False)
    with open_recording(quiet, interleaved=True) as recording:
        assert (recording.channels, recording.expected_s) == (2, 1.0)


def test_an_odd_byte_at_the_end_is_no_harm(tmp_path: Path, call: tuple[Samples, Samples]) -> None:
    path = tmp_path / "call.raw"
    path.write_bytes(pairs(*call).tobytes() + b"\x01\x02\x03")
    with open_recording(path) as recording:
        assert sum(len(block) for block in recording.blocks()) == len(call[0])
    path.write_bytes(b"\x01")
    with pytest.raises(InputError, match="no audio"), open_recording(path) as recording:
        list(recording.blocks())
