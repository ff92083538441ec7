"""What a telephone line carries besides voices: keys, tones, fax; made by their standards. (n,) at 8 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np

from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.training.speech.data import FloatArray

SECONDS: Final = 16
AMPLITUDE: Final = 0.1

#: Name: frequencies in Hz together, seconds on, seconds off (ITU-T E.180 supplement 2, Q.23, T.30).
CADENCES: Final[dict[str, tuple[tuple[float, ...], float, float]]] = {
    "ringback, North America": ((440, 480), 2, 4),
    "ringback, Europe": ((425,), 1, 4),
    "ringback, United Kingdom": ((400, 450), 0.4, 0.2),
    "busy, North America": ((480, 620), 0.5, 0.5),
    "busy, Europe": ((425,), 0.5, 0.5),
    "dial tone, North America": ((350, 440), 1, 0),
    "call waiting": ((440,), 0.3, 2),
    "fax calling (CNG)": ((1100,), 0.5, 3),
    "fax answering (CED)": ((2100,), 3, 1),
    "recording beep": ((1400,), 0.4, 2),
    "voicemail beep": ((1000,), 0.3, 0.7),
}
#: Rows and columns of the keys.
_ROWS: Final = (697, 770, 852, 941)
_COLUMNS: Final = (1209, 1336, 1477)


def line_sounds(seed: int = 1) -> Iterator[tuple[str, FloatArray]]:
    """Each sound with its name."""
    rng = np.random.default_rng(seed)
    for on_s in (0.05, 0.1, 0.25):
        keys = [
            np.concatenate([_tone((rng.choice(_ROWS), rng.choice(_COLUMNS)), on_s), _silence(on_s)])
            for _ in range(round(SECONDS / (2 * on_s)))
        ]
        yield f"keys, {1000 * on_s:.0f} ms each", np.concatenate(keys)
    for name, (hz, on_s, off_s) in CADENCES.items():
        once = np.concatenate([_tone(hz, on_s), _silence(off_s)])
        yield name, np.resize(once, SECONDS * SAMPLE_RATE)
    information = [*(_tone((hz,), 0.33) for hz in (950, 1400, 1800)), _silence(1)]
    yield "special information", np.resize(np.concatenate(information), SECONDS * SAMPLE_RATE)
    yield "fax, V.21 (300 bit/s)", _v21(rng)
    yield "fax, page (2400 symbols/s)", _page(rng)


def _tone(hz: tuple[float, ...], seconds: float) -> FloatArray:
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    waves = np.sum([np.sin(2 * np.pi * f * t) for f in hz], axis=0) * AMPLITUDE
    tone: FloatArray = waves.astype(np.float32)
    return tone


def _silence(seconds: float) -> FloatArray:
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


def _v21(rng: np.random.Generator) -> FloatArray:
    """Frequency shift keying between 1650 and 1850 Hz."""
    n = SECONDS * SAMPLE_RATE
    bits = rng.integers(0, 2, SECONDS * 300)
    hz = np.where(bits[np.arange(n) * 300 // SAMPLE_RATE], 1650, 1850)
    return (AMPLITUDE * np.sin(2 * np.pi * np.cumsum(hz) / SAMPLE_RATE)).astype(np.float32)


def _page(rng: np.random.Generator) -> FloatArray:
    """Sixteen-point quadrature modulation of 1700 Hz."""
    n = SECONDS * SAMPLE_RATE
    points = rng.choice([-3, -1, 1, 3], (2, SECONDS * 2400))
    symbols = (points[0] + 1j * points[1])[np.arange(n) * 2400 // SAMPLE_RATE]
    soft = np.convolve(symbols, np.hanning(6) / 3, "same")
    carrier = np.exp(2j * np.pi * 1700 / SAMPLE_RATE * np.arange(n))
    page: FloatArray = (AMPLITUDE / 4 * (soft * carrier).real).astype(np.float32)
    return page
