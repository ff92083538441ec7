"""How much of a wide file's band is used: telephone speech in a 48 kHz file stays telephone speech. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np

from emocx_pbx.audio.pcm import FloatArray

#: Only files wider than this are examined: between 8 and 16 kHz there is little band to miss.
WIDE_HZ: Final = 16000
#: Nothing above the edge of 8 kHz audio, where its part of the power is under this (-50 dB). Fricatives of
#: wide speech stand at -35 dB and more; a resampler leaves under -70 dB.
NARROW: Final = 1e-5
#: Hz: end of 8 kHz audio, and the beginning of what only wider audio has (resamplers slope between).
_NARROW_HZ: Final = 4000.0
_WIDE_FROM_HZ: Final = 4400.0
_FFT: Final = 4096


class Width:
    """Power within and above the band of 8 kHz audio, added up block by block."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._narrow = self._wide = 0.0
        hz = np.fft.rfftfreq(_FFT, 1 / rate)
        self._under, self._over = hz <= _NARROW_HZ, hz >= _WIDE_FROM_HZ

    def hear(self, block: FloatArray) -> None:
        """Take the next frames (n, channels)."""
        count = len(block) // _FFT
        if self._rate < WIDE_HZ or not count:
            return
        pieces = block[: count * _FFT, 0].reshape(count, _FFT)
        if block.shape[1] > 1:
            pieces = pieces + block[: count * _FFT, 1].reshape(count, _FFT)
        power = np.abs(np.fft.rfft(pieces * np.hanning(_FFT), axis=1)) ** 2
        # (count, _FFT / 2 + 1)
        self._narrow += float(power[:, self._under].sum())
        self._wide += float(power[:, self._over].sum())

    @property
    def is_narrow(self) -> bool:
        """Whether a wide file holds 8 kHz audio; False where nothing was heard."""
        return self._narrow > 0 and self._wide < NARROW * self._narrow
