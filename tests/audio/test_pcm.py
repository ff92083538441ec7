"""Samples, sides and G.711."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.audio import pcm
from emocx_pbx.errors import ProtocolError


@given(st.lists(st.integers(-32768, 32767), max_size=200))
def test_slin_is_little_endian(values: list[int]) -> None:
    data = b"".join(v.to_bytes(2, "little", signed=True) for v in values)
    assert pcm.from_slin(data).tolist() == values


@pytest.mark.parametrize("size", [1, 321])
def test_half_a_sample_is_refused(size: int) -> None:
    with pytest.raises(ProtocolError, match=f"{size} bytes of audio are not whole"):
        pcm.from_slin(bytes(size))


@given(st.lists(st.integers(-32768, 32767), min_size=1, max_size=200))
def test_float_and_back(values: list[int]) -> None:
    samples = np.array(values, np.int16)
    floats = pcm.to_float(samples)
    assert floats.dtype == np.float32
    assert floats.min() >= -1.0 and floats.max() < 1.0
    assert pcm.from_float(floats).tolist() == values


def test_what_is_not_a_number_is_silence() -> None:
    floats = np.array([np.nan, np.inf, -np.inf, 7.0], np.float32)
    assert pcm.from_float(floats).tolist() == [0, 32767, -32768, 32767]


def test_mulaw_known_values() -> None:
    # Decoder output values of ITU-T G.711 table 2a, scaled to 16 bits.
    samples = np.array([0, 8, -8, 100, 1000, -1000, 32767, -32768], np.int16)
    assert pcm.mulaw_roundtrip(samples).tolist() == [0, 8, -8, 104, 988, -988, 32124, -32124]


def test_mulaw_has_255_levels_and_is_idempotent() -> None:
    every = np.arange(-32768, 32768).astype(np.int16)
    once = pcm.mulaw_roundtrip(every)
    assert len(np.unique(once)) == 255  # plus and minus zero decode alike
    assert np.array_equal(pcm.mulaw_roundtrip(once), once)
    assert np.all(np.diff(once.astype(int)) >= 0)
    error = np.abs(once.astype(int) - every)[1000:-1000]
    assert np.all(error <= 4 + np.abs(every.astype(int))[1000:-1000] / 16)
