"""Reads labelled speech clips: a clips.csv and the recordings it points into."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emocx_pbx.audio.pcm import SAMPLE_RATE, from_float, mulaw_roundtrip, to_float
from emocx_pbx.domain import LABELS
from emocx_pbx.errors import InputError

FloatArray = npt.NDArray[np.float32]

#: `sad` of public corpora stands for the product's class `disappointed`.
LABEL_INDEX: Final = {**{str(label): i for i, label in enumerate(LABELS)}, "sad": 2}
LICENCE: Final = (
    "Weights for research and evaluation only, not for commercial use: trained on RAVDESS (CC BY-NC-SA 4.0), "
    "EMO-DB (CC BY 4.0, second-hand), EMOVO (CC BY-NC-SA 4.0, second-hand), nEMO (CC BY-NC-SA 4.0) and ASED "
    "(no licence stated; asks to be cited). Whisper weights, where used: MIT."
)
OWN_LICENCE: Final = (
    "Weights trained on clips that are in none of the public corpora: whoever owns those says what they "
    "may be used for. Tuned from a base model, they carry that model's terms too. Whisper weights, where "
    "used: MIT."
)
#: The corpora that LICENCE names.
PUBLIC: Final = frozenset({"ravdess", "emodb", "emovo", "nemo", "ased"})

COLUMNS: Final = ("corpus", "speaker", "split", "file", "start", "end", "label")


@dataclass(frozen=True, slots=True)
class Clip:
    """One labelled clip."""

    corpus: str
    speaker: str
    split: str
    label: int
    """Index in LABELS."""
    source: str
    """Where it is, as people are told: file and place."""
    samples: FloatArray
    """(n,) at 8 kHz, as the recording has them (before any line)."""

    @property
    def voice(self) -> str:
        """The speaker, unique over corpora."""
        return f"{self.corpus}/{self.speaker}"


@dataclass(frozen=True, slots=True)
class ClipSet:
    """Clips of a clips.csv, and how many rows had an emotion outside the four classes."""

    clips: tuple[Clip, ...]
    skipped: int = 0

    def split(self, name: str) -> list[Clip]:
        """Clips of one split."""
        return [c for c in self.clips if c.split == name]


def read_clips(
    clips_csv: Path,
    root: Path | None = None,
    split: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ClipSet:
    """Read clips.csv (columns corpus, speaker, split, file, start, end, label) and its recordings.

    `file` is relative to `root` (default: the CSV's folder); `start` and `end` are samples at 8 kHz,
    empty for the whole file. Recordings of another rate or with several channels are converted.
    Rows whose label is none of the four classes (or `sad`) are left out and counted. `split` None
    or "all" takes every row. Raises InputError naming file and line on anything unusable.
    """
    base = clips_csv.parent if root is None else root
    rows, skipped = _rows(clips_csv, split)
    clips: list[Clip] = []
    name, recording = "", np.zeros(0, np.float32)
    for done, (line, row) in enumerate(rows):
        where = f"{clips_csv}:{line}"
        if row["file"] != name:
            name = row["file"]
            recording = read_mono(base / name, where)
        start = _whole(row["start"], 0, where)
        end = _whole(row["end"], recording.size, where)
        # A decoder may end a few samples early; a clip most of which exists is used as far as it goes.
        if not 0 <= start < end or start >= recording.size or end > recording.size + SAMPLE_RATE // 10:
            raise InputError(f"{where}: {name} has {recording.size} samples, not {start} to {end}")
        origin = f" ({row['source']})" if row.get("source") else ""
        clips.append(
            Clip(
                corpus=row["corpus"] or "unnamed",
                speaker=row["speaker"] or "unknown",
                split=row["split"] or "test",
                label=LABEL_INDEX[row["label"].strip().lower()],
                source=f"{name} {start / SAMPLE_RATE:.1f} s{origin}",
                samples=recording[start:end],
            )
        )
        if progress is not None:
            progress(done + 1, len(rows))
    return ClipSet(tuple(clips), skipped)


def read_mono(path: Path, where: str) -> FloatArray:
    """A whole recording as float32 mono at 8 kHz.

    Raises InputError, starting with `where`, when it can't be read.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as e:
        raise InputError(f"{where}: {path}: {str(e).splitlines()[0]}") from None
    mono: FloatArray = samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if rate != SAMPLE_RATE:
        mono = soxr.resample(mono, rate, SAMPLE_RATE).astype(np.float32)
    return mono


def on_line(samples: FloatArray) -> FloatArray:
    """The samples after G.711 mu-law, as a telephone delivers them."""
    return to_float(mulaw_roundtrip(from_float(samples)))


def balance(clips: Sequence[Clip]) -> FloatArray:
    """Weights (n,) of mean 1: a corpus's classes count the same, small corpora are raised by a square
    root.
    """
    groups = [(c.corpus, c.label) for c in clips]
    counts = {g: groups.count(g) for g in set(groups)}
    weights = np.array([1 / np.sqrt(counts[g]) for g in groups], np.float32)
    scaled: FloatArray = weights / weights.mean()
    return scaled


def licence_of(clips: Sequence[Clip]) -> str:
    """What weights that are trained on the clips may be used for."""
    return LICENCE if any(c.corpus in PUBLIC for c in clips) else OWN_LICENCE


def labels_of(clips: Sequence[Clip]) -> npt.NDArray[np.int64]:
    """Label indices (n,)."""
    return np.array([c.label for c in clips], np.int64)


def _rows(clips_csv: Path, split: str | None) -> tuple[list[tuple[int, dict[str, str]]], int]:
    try:
        with clips_csv.open(newline="", encoding="utf-8-sig") as f:
            reader = csv.DictReader(f)
            missing = [c for c in COLUMNS if c not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{clips_csv}: no column {', '.join(missing)}")
            rows = [(i, {k: v or "" for k, v in row.items() if k}) for i, row in enumerate(reader, 2)]
    except (OSError, UnicodeDecodeError, csv.Error) as e:
        raise InputError(f"{clips_csv}: can't be read: {e}") from None
    if split not in (None, "all"):
        rows = [(i, row) for i, row in rows if row["split"] == split]
    for i, row in rows:
        for column in ("file", "label"):
            if not row[column].strip():
                raise InputError(f"{clips_csv}:{i}: {column} is empty")
    known = [(i, row) for i, row in rows if row["label"].strip().lower() in LABEL_INDEX]
    if not known:
        which = "" if split in (None, "all") else f" of split {split!r}"
        raise InputError(f"{clips_csv}: no clips{which} labelled {', '.join(LABEL_INDEX)}")
    return known, len(rows) - len(known)


def _whole(text: str, default: int, where: str) -> int:
    try:
        return int(text) if text.strip() else default
    except ValueError:
        raise InputError(f"{where}: {text!r} is not a number of samples") from None
