"""What a spoken question costs speech-to-text, and how much is understood, by the window it is heard in.

    python -m benchmarks.question_windows [--clips 60] [--data ../shared/data/speech]

Clips of RAVDESS, whose sentences are known, of speakers of the train and dev splits, at 8 kHz, with faint
noise; each heard in windows of 30, 15, 10 and 6 s. Prints one JSON object: word errors by word spoken, and
median CPU a question (ms). They are two short sentences said in eight emotions: windows can be compared by
them, but the errors are not those of callers.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Final

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emocx_pbx.emotion.transcribe import load_transcriber

WINDOWS_S: Final = (30.0, 15.0, 10.0, 6.0)
#: By the fifth part of a source's name.
SENTENCES: Final = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
NOISE: Final = 1e-3


def clips(data: Path, number: int) -> Iterator[tuple[npt.NDArray[np.float32], str]]:
    """Samples (n,) at 8 kHz, and what is said."""
    with (data / "clips.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["corpus"] == "ravdess" and r["split"] != "test"]
    random.Random(1).shuffle(rows)
    noise = np.random.default_rng(0)
    for row in rows[:number]:
        span = {"start": int(row["start"]), "stop": int(row["end"])}
        samples, rate = soundfile.read(data / row["file"], dtype="float32", **span)
        if rate != 8000:
            samples = soxr.resample(samples, rate, 8000)
        samples = samples + noise.normal(0, NOISE, len(samples))
        yield samples.astype(np.float32), SENTENCES[row["source"].split("-")[4]]


def words(text: str) -> list[str]:
    """Lower case, without marks."""
    return re.findall(r"[a-z']+", text.lower())


def errors(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """Words put in, left out and exchanged (Levenshtein's distance)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(spoken, 1):
        before, row = row, [i] + [0] * len(heard)
        for j, other in enumerate(heard, 1):
            row[j] = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (word != other))
    return row[-1]


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/speech"))
    options = parser.parse_args()
    transcriber = load_transcriber("auto")
    if transcriber is None:
        print("speech-to-text is not installed, or was not fetched", file=sys.stderr)
        return 2
    spoken = list(clips(options.data, options.clips))
    total = sum(len(words(said)) for _, said in spoken)
    found: dict[str, dict[str, float]] = {}
    for window_s in WINDOWS_S:
        transcriber.words_in(spoken[0][0], window_s, "en")  # warm
        wrong, times = 0, []
        for samples, said in spoken:
            began = time.process_time()
            text = transcriber.words_in(samples, window_s, "en")
            times.append(1e3 * (time.process_time() - began))
            wrong += errors(words(said), words(text))
        figures = {"word_errors": round(wrong / total, 3), "cpu_ms": round(median(times), 1)}
        found[f"{window_s:.0f} s"] = figures
    print(json.dumps({"clips": len(spoken), "words": total, "windows": found}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
