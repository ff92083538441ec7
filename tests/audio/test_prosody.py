"""Acoustic statistics against sounds whose pitch, loudness and rhythm are known."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from emocx_pbx.audio.prosody import prosody

RATE = 8000


def buzz(hz, seconds=2.0, beat=4.0):
    t = np.arange(round(seconds * RATE)) / RATE
    sound = sum(np.sin(2 * np.pi * k * hz * t) / k for k in range(1, 15) if k * hz < 3800)
    return (0.1 * sound * (0.55 - 0.45 * np.cos(2 * np.pi * beat * t))).astype(np.float32)


@pytest.mark.parametrize("hz", [85, 130, 210, 330])
def test_pitch_is_that_of_the_buzz(hz):
    assert 2 ** prosody(buzz(hz))[0] == pytest.approx(hz, rel=0.03)


def test_a_louder_line_changes_only_the_level():
    soft, loud = prosody(0.3 * buzz(130)), prosody(buzz(130))
    np.testing.assert_allclose(soft[:-2], loud[:-2], atol=0.15)
    assert loud[-2] - soft[-2] == pytest.approx(20 * np.log10(1 / 0.3), abs=0.1)


def test_syllables_are_counted():
    slow, fast = prosody(buzz(130, beat=2)), prosody(buzz(130, beat=6))
    assert slow[18] == pytest.approx(2, abs=1)
    assert fast[18] == pytest.approx(6, abs=1)


@pytest.mark.parametrize("samples", [0, 1, 80, 400, 2400])
def test_very_short_and_silent_stretches_have_numbers_too(samples):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for sound in (buzz(130)[:samples], np.zeros(samples, np.float32)):
            found = prosody(sound)
            assert found.shape == (135,)
            assert np.isfinite(found).all()
