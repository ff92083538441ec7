"""What samples show of how they were recorded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.audio.survey import Likeness, SideSurvey
from emocx_pbx.audio.width import Width

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"


@pytest.fixture(scope="module", params=["customer", "agent"])
def side(request: pytest.FixtureRequest) -> Samples:
    return np.asarray(soundfile.read(DATA / f"call_{request.param}.flac", dtype="int16")[0])


def survey(samples: Samples, block: int = 20_000) -> SideSurvey:
    found = SideSurvey()
    for at in range(0, len(samples), block):
        found.hear(samples[at : at + block])
    return found


def loud(samples: Samples, gain: float) -> Samples:
    """At `gain` times full scale, cut off where that is over 1."""
    loudest = int(np.abs(samples).max())
    made: Samples = np.clip(samples * (gain * 32767 / loudest), -32768, 32767).astype(np.int16)
    return made


def test_speech_as_it_should_be(side: Samples) -> None:
    for good in (side, mulaw_roundtrip(side), loud(side, 1.0), loud(side, 0.1)):
        found = survey(good)
        assert not found.is_clipped
        assert not found.is_slow
    assert 100 < (survey(side).pitch_hz or 0) < 300


@pytest.mark.parametrize("gain", [2.5, 4.0, 16.0])
def test_cut_off_peaks_are_found_at_any_level(side: Samples, gain: float) -> None:
    for bad in (
        loud(side, gain),
        mulaw_roundtrip(loud(side, gain)),
        (loud(side, gain) * 0.3).astype(np.int16),
    ):
        assert survey(bad).is_clipped


def test_half_speed(side: Samples) -> None:
    slow = soxr.resample(side, 8000, 16000)
    assert survey(slow).is_slow
    assert survey(mulaw_roundtrip(slow)).is_slow


def test_blocks_of_any_length_add_up(side: Samples) -> None:
    whole, small = survey(side, len(side)), survey(side, 777)
    assert (whole.pitch_hz, whole.is_clipped) == (small.pitch_hz, small.is_clipped)
    assert whole.upper_db == pytest.approx(small.upper_db)


@pytest.mark.parametrize("length", [0, 1, 400, 8000, 80_000])
def test_silence_and_next_to_nothing_say_nothing(length: int) -> None:
    found = survey(np.zeros(length, np.int16))
    assert not found.is_clipped
    assert not found.is_slow
    assert found.pitch_hz is None


def test_copies_are_alike_and_sides_are_not() -> None:
    customer, agent = (
        soundfile.read(DATA / f"call_{s}.flac", dtype="int16")[0] for s in ("customer", "agent")
    )
    echo = np.concatenate([np.zeros(400, np.int16), customer[:-400] // 2])
    for other, same in (
        (customer, True), (mulaw_roundtrip(customer), True), (customer // 3, True), (-customer, True),
        (agent, False), (echo, False), (np.zeros_like(customer), False), (customer // 2 + agent // 2, False),
    ):  # fmt: skip
        likeness = Likeness()
        likeness.hear(customer, other.astype(np.int16))
        assert likeness.is_same is same


def test_telephone_sound_in_a_wide_file() -> None:
    speech = soundfile.read(DATA / "call_customer.flac", dtype="float32")[0]
    rng = np.random.default_rng(0)
    for rate in (16_000, 48_000):
        wide = soxr.resample(speech, 8000, rate)[:, None]
        hiss = wide + 0.01 * rng.normal(size=wide.shape)
        for samples, narrow in ((wide, True), (hiss, False), (0 * wide, False)):
            width = Width(rate)
            for at in range(0, len(samples), 65_536):
                width.hear(samples[at : at + 65_536].astype(np.float32))
            assert width.is_narrow is narrow
