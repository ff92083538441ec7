"""What Asterisk itself writes in its formats is read as the sound that it was."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from emocx_pbx.audio.pcm import Int16Array
from emocx_pbx.audio.recording import open_recording
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk

#: By the private Asterisk's own codecs; likeness to the original that each keeps.
FORMATS = {
    "wav": 0.99, "wav16": 0.99, "WAV": 0.85, "gsm": 0.85, "ulaw": 0.99, "alaw": 0.99, "g722": 0.95,
    "sln12": 0.98, "sln16": 0.98, "sln24": 0.98, "sln32": 0.98, "sln44": 0.98, "sln48": 0.98, "sln96": 0.98,
    "sln192": 0.98, "g726-32": 0.95, "vox": 0.85, "au": 0.99,
}  # fmt: skip

MODULES = (
    "res_convert", "codec_resample", "format_pcm", "format_sln", "format_gsm", "format_wav", "format_wav_gsm",
    "format_g726", "format_vox", "codec_ulaw", "codec_alaw", "codec_g722", "codec_gsm", "codec_g726",
    "codec_adpcm",
)  # fmt: skip


def likeness(samples: Int16Array, original: Int16Array) -> float:
    """Correlation at the best delay, to 1."""
    one, other = samples.astype(float), original.astype(float)
    size = 1 << int(np.ceil(np.log2(len(one) + len(other))))
    product = np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size))
    return float(np.fft.irfft(product)[:4000].max() / np.sqrt((one**2).sum() * (other**2).sum()))


def seen(path: Path, installation: Installation) -> Path:
    """A path as the Asterisk sees it, whose root may be a folder."""
    return path if installation.root is None else Path("/") / path.relative_to(installation.root)


async def test_every_format_that_asterisk_writes(
    installation: Installation, speech: recordings.TwoSided
) -> None:
    async with PrivateAsterisk(installation, agents=1) as pbx:
        for module in MODULES:
            await pbx.cli(f"module load {module}.so")
        missing = await converted(pbx, speech.customer[: 10 * 8000], installation)
    # A format whose module isn't installed can't be tried; the commonest must be.
    assert not set(FORMATS) & {"wav", "WAV", "gsm", "ulaw", "alaw", "sln16", "sln48", "g722"} & missing


async def converted(pbx: PrivateAsterisk, original: Int16Array, installation: Installation) -> set[str]:
    """Have every format written and read; which were not written."""
    source = pbx.sounds / "call.sln"
    source.write_bytes(original.astype("<i2").tobytes())
    missing = set()
    for name, least in FORMATS.items():
        path = pbx.sounds / f"{name}-call.{name}"
        await pbx.cli(f"file convert {seen(source, installation)} {seen(path, installation)}")
        if not path.is_file() or path.stat().st_size < 100:
            missing.add(name)
            continue
        with open_recording(path) as recording:
            samples = np.concatenate(list(recording.blocks()))[:, 0]
        assert len(samples) == pytest.approx(len(original), rel=0.02), name
        assert likeness(samples, original) > least, name
    return missing
