"""Labelled clips of a site's own calls: recordings aligned with what was heard, cut, and written."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import soundfile

from emocx_pbx.analysis.windows import CallSegmenter, Window
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, to_float
from emocx_pbx.audio.recording import open_recording
from emocx_pbx.deeds.exports import Speakers as Speakers
from emocx_pbx.domain import Span
from emocx_pbx.errors import InputError
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.store.rows import CallDetail

FloatArray = npt.NDArray[np.float32]
Side = Literal["left", "right", "mixed"]
Stretch = tuple[float, float]

COLUMNS: Final = ("corpus", "speaker", "split", "file", "start", "end", "label", "source")
#: Seconds; less speech than this says nothing.
LEAST_S: Final = 1.0
#: Between two clips of a file.
GAP_S: Final = 0.2
#: Time step in which a recording is laid over the call's utterances.
STEP_S: Final = 0.05
#: Correlation under which recording and call do not belong together.
LEAST_LIKENESS: Final = 0.4


@dataclass(frozen=True, slots=True)
class CutClip:
    """One labelled stretch of one customer's speech."""

    speaker: str
    label: str
    source: str
    """Where it comes from, as people are told."""
    samples: FloatArray
    """(n,) at 8 kHz."""


def split_of(speaker: str) -> str:
    """The speaker's split: train (60 %), dev (20 %) or test (20 %), always the same one."""
    fifth = hashlib.sha256(speaker.encode()).digest()[0] % 5
    return ("test", "dev", "train", "train", "train")[fifth]


def read_sides(path: Path, customer: Side) -> tuple[Int16Array, Int16Array | None]:
    """A recording's customer (n,) and agent (n,) at 8 kHz; one channel carries both: (mixed, None).

    Raises InputError when it can't be read, or has no second channel that would be the agent's.
    """
    with open_recording(path) as recording:
        blocks = list(recording.blocks())
    samples = np.concatenate(blocks)
    # (n, channels)
    if customer == "mixed" or samples.shape[1] == 1:
        return samples.mean(axis=1).astype(np.int16), None
    left, right = samples[:, 0], samples[:, 1]
    return (left, right) if customer == "left" else (right, left)


def windows_and_spans(customer: Int16Array, agent: Int16Array | None) -> tuple[list[Window], list[Span]]:
    """Windows of up to 4 s of the customer's speech that do not overlap, and both sides' utterances."""
    segmenter = CallSegmenter(AnalysisSettings(window_s=4.0, reading_interval_s=4.0))
    silence = np.zeros_like(customer) if agent is None else agent
    items = [*segmenter.feed(customer, silence), *segmenter.finish()]
    return [i for i in items if isinstance(i, Window)], [i for i in items if isinstance(i, Span)]


def offset_of(recorded: Sequence[Span], call: Sequence[Span]) -> tuple[float, float]:
    """Seconds from the call's zero to the recording's, negative if the recording began later, and the
    likeness.

    Recordings begin when the dialplan says so, and nobody notes when. Both hold the same utterances: the
    answer is the shift at which they match best (correlation, up to 1).
    """
    theirs, ours = _activity(recorded), _activity(call)
    size = 1 << int(np.ceil(np.log2(len(theirs) + len(ours))))
    # Relative to their means: unbroken noise does not resemble a call with much speech.
    spectra = [np.fft.rfft(mask - mask.mean(), size) for mask in (theirs, ours)]
    best = int(np.fft.irfft(spectra[0] * np.conj(spectra[1]), size).argmax())
    shift = best if best <= size // 2 else best - size
    there, here = theirs[max(0, shift) : shift + len(ours)], ours[max(0, -shift) :][: len(theirs) - shift]
    both = np.stack([there[: len(here)], here[: len(there)]])
    # (2, steps in both)
    if both.shape[1] * STEP_S < LEAST_S or not both.std(axis=1).all():
        return 0.0, 0.0
    return shift * STEP_S, float(np.asarray(np.corrcoef(both))[0, 1])


def _activity(spans: Iterable[Span]) -> npt.NDArray[np.float64]:
    """Whether somebody speaks, in steps of STEP_S."""
    spans = list(spans)
    mask = np.zeros(int(max((s.t1 for s in spans), default=0.0) / STEP_S) + 1)
    for span in spans:
        mask[max(0, round(span.t0 / STEP_S)) : round(span.t1 / STEP_S)] = 1.0
    return mask


def cut(samples: Int16Array, stretches: Iterable[Stretch], offset_s: float) -> FloatArray:
    """The samples of stretches in call time, one after the other: (n,), without what is not recorded."""
    parts = [np.zeros(0, np.int16)]
    for t0, t1 in stretches:
        first, last = (round((t + offset_s) * SAMPLE_RATE) for t in (t0, t1))
        parts.append(samples[max(0, first) : max(0, last)])
    return to_float(np.concatenate(parts))


def spoken(t0: float, t1: float, spans: Sequence[Span], *, alone: bool) -> list[Stretch]:
    """The customer's speech in t0..t1; with `alone` without what the agent spoke over."""
    found = [
        (max(t0, s.t0), min(t1, s.t1)) for s in spans if s.side == "customer" and s.t0 < t1 and s.t1 > t0
    ]
    if not alone:
        return found
    for other in (s for s in spans if s.side == "agent"):
        found = [
            piece
            for a, b in found
            for piece in ((a, min(b, other.t0)), (max(a, other.t1), b))
            if piece[1] > piece[0]
        ]
    return sorted(found)


def clips_of_call(
    detail: CallDetail, path: Path, customer: Side, labels: Iterable[tuple[float, float, str]], speaker: str
) -> list[CutClip]:
    """Labelled stretches (t0, t1, label) of one call, cut out of its recording.

    Raises InputError, without saying which call, when recording and call do not belong together, or nothing
    of the customer alone is in the stretches.
    """
    own, agent = read_sides(path, customer)
    _, recorded = windows_and_spans(own, agent)
    # Where one channel carries both, whoever speaks looks the same.
    spans = [s for s in detail.spans if agent is None or s.side == "customer"]
    offset, likeness = offset_of([s for s in recorded if s.side == "customer"], spans)
    if likeness < LEAST_LIKENESS:
        raise InputError(f"{path} does not sound like this call (likeness {likeness:.2f})")
    found = []
    for t0, t1, label in labels:
        samples = cut(own, spoken(t0, t1, detail.spans, alone=agent is None), offset)
        if samples.size >= LEAST_S * SAMPLE_RATE:
            source = f"call {detail.call.call_id} {t0:.1f}-{t1:.1f} s"
            found.append(CutClip(speaker, label, source, samples))
    if not found:
        raise InputError(f"under {LEAST_S:g} s of the customer alone in what was labelled")
    return found


def write_clips(folder: Path, corpus: str, clips: Sequence[CutClip]) -> dict[str, dict[str, int]]:
    """Write audio/ and clips.csv; rows of other corpora in an older clips.csv stay.

    Returns how many clips each label has in each split. Raises InputError when files can't be written.
    """
    table = folder / "clips.csv"
    rows = [row for row in _rows(table) if row["corpus"] != corpus]
    counts: dict[str, dict[str, int]] = {}
    by_speaker: dict[str, list[CutClip]] = {}
    for clip in clips:
        by_speaker.setdefault(clip.speaker, []).append(clip)
    gap = np.zeros(round(GAP_S * SAMPLE_RATE), np.float32)
    try:
        (folder / "audio").mkdir(parents=True, exist_ok=True)
        for old in (folder / "audio").glob(f"{corpus}-*.flac"):
            old.unlink()
        for speaker, own in sorted(by_speaker.items()):
            name, at, parts, split = f"audio/{corpus}-{speaker}.flac", 0, [], split_of(speaker)
            for clip in own:
                end = at + clip.samples.size
                values = (corpus, speaker, split, name, str(at), str(end), clip.label, clip.source)
                rows.append(dict(zip(COLUMNS, values, strict=True)))
                counts.setdefault(split, {}).setdefault(clip.label, 0)
                counts[split][clip.label] += 1
                parts += [clip.samples, gap]
                at = end + gap.size
            soundfile.write(folder / name, np.concatenate(parts), SAMPLE_RATE, subtype="PCM_16")
        draft = table.with_suffix(".new")
        with draft.open("w", encoding="utf-8", newline="") as f:
            writer = csv.DictWriter(f, COLUMNS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        draft.replace(table)
    except (OSError, soundfile.SoundFileError) as e:
        raise InputError(f"{folder}: can't be written: {e}") from None
    return counts


def _rows(table: Path) -> list[dict[str, str]]:
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as f:
        reader = csv.DictReader(f)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise InputError(f"{table}: not a clips.csv of this command; choose another folder")
        return list(reader)
