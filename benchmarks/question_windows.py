"""What a spoken question costs speech-to-text, and how much is understood, by the window it is heard in.

    python -m benchmarks.question_windows [--clips 60] [--together 1] [--data ../shared/data/speech]

Clips of RAVDESS, whose sentences are known, of speakers of the train and dev splits, at 8 kHz, with faint
noise; each, or so many --together, heard in windows of 30, 15, 10 and 6 s, in one of its own length and a
second, and as questions and phrases are: their speech and a little silence, in a window whose rest is filled
in. Prints one JSON object: word errors by word spoken, and median CPU a question (ms). They are two short
sentences said in eight emotions: windows can be compared by them, but the errors are not those of callers.

`pauses`: two of the clips with 0.3 s between them are listened to as a question is, and what is taken for
the question is transcribed. Of the silence after it 0.2 s are left: word errors so, and with 0.4 s, and how
many of the texts differ.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Final
from uuid import UUID

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emocx_pbx.analysis.messages import AnnounceListen
from emocx_pbx.analysis.worker.listen import FEW, Listen
from emocx_pbx.audio.pcm import from_float
from emocx_pbx.audio.vad import FRAME, levels_db
from emocx_pbx.emotion.transcribe import Transcriber, load_transcriber
from emocx_pbx.settings.settings import AnalysisSettings

WINDOWS_S: Final = (30.0, 15.0, 10.0, 6.0)
#: By the fifth part of a source's name.
SENTENCES: Final = {"01": "kids are talking by the door", "02": "dogs are sitting by the door"}
NOISE: Final = 1e-3
#: Between two sentences of one question, and after them (s).
BETWEEN_S, AFTER_S = 0.3, 1.2
#: As much more silence was left before.
MORE_S: Final = 0.2
LOUD_DB: Final = 18.0

Clip = tuple[npt.NDArray[np.float32], str]


def clips(data: Path, number: int) -> Iterator[Clip]:
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


def together(spoken: Sequence[Clip], number: int) -> list[Clip]:
    """So many clips in each question, with silence between them."""
    between = np.zeros(int(8000 * BETWEEN_S), np.float32)
    groups = [spoken[at : at + number] for at in range(0, len(spoken) - number + 1, number)]
    return [
        (
            np.concatenate([part for samples, _ in group for part in (samples, between)])[: -len(between)],
            " ".join(said for _, said in group),
        )
        for group in groups
    ]


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


class Kept:
    """What a question was taken for at its last pause."""

    def __init__(self) -> None:
        self.samples = np.zeros(0, np.float32)

    def paused(self, asked: AnnounceListen, samples: npt.NDArray[np.float32], speech_s: float) -> None:
        """As `Guesses`."""
        self.samples = samples

    def resumed(self, asked: AnnounceListen) -> None:
        """Another pause follows."""

    def finished(
        self, asked: AnnounceListen, reason: str, samples: npt.NDArray[np.float32], speech_s: float
    ) -> None:
        """The pause was the end."""


def understood(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """What of a question (n,) goes to speech-to-text."""
    kept, spoken = Kept(), from_float(samples)
    listen = Listen(
        AnnounceListen(str(UUID(int=1)), "question"), AnalysisSettings(), kept, lambda: FEW + 1, lambda: 0.0
    )
    for at in range(0, len(spoken), FRAME):
        listen.audio(spoken[at : at + FRAME].astype("<i2").tobytes(), 8000, at / 8000)
    return kept.samples


def spoken_part(samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A clip (n,) without the silence before and after: that within LOUD_DB of its loudest frame."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME)
    levels = np.array(levels_db(from_float(frames.reshape(-1)).reshape(-1, FRAME)))
    loud = np.flatnonzero(levels >= levels.max() - LOUD_DB)
    return frames[loud[0] : loud[-1] + 1].reshape(-1)


def pauses(transcriber: Transcriber, spoken: Sequence[Clip]) -> dict[str, float]:
    """Word errors of questions of two sentences, by the silence left after them, and texts that differ."""
    rng = np.random.default_rng(0)
    first, second = SENTENCES.values()
    pairs = zip(
        *([samples for samples, said in spoken if said == each] for each in (first, second)), strict=False
    )
    wrong, number, differ = [0, 0], 0, 0
    for one, other in pairs:
        between, after = np.zeros(int(8000 * BETWEEN_S)), np.zeros(int(8000 * AFTER_S))
        question = np.concatenate([spoken_part(one), between, spoken_part(other), after])
        question = (question + rng.normal(0, NOISE, len(question))).astype(np.float32)
        samples = understood(question)
        more = rng.normal(0, NOISE, int(8000 * MORE_S)).astype(np.float32)
        texts = [words(transcriber.transcribe(s)) for s in (samples, np.concatenate([samples, more]))]
        number += 1
        wrong = [w + errors(words(f"{first} {second}"), text) for w, text in zip(wrong, texts, strict=True)]
        differ += texts[0] != texts[1]
    total = max(1, number * len(words(f"{first} {second}")))
    here, before = (round(each / total, 3) for each in wrong)
    return {"questions": number, "word_errors_0.2": here, "word_errors_0.4": before, "differ": differ}


def main() -> int:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--together", type=int, default=1)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/speech"))
    options = parser.parse_args()
    transcriber = load_transcriber("auto")
    if transcriber is None:
        print("speech-to-text is not installed, or was not fetched", file=sys.stderr)
        return 2
    spoken = list(clips(options.data, options.clips))
    questions = together(spoken, options.together)
    ways: dict[str, Callable[[npt.NDArray[np.float32]], str]] = {
        f"{window_s:.0f} s": partial(transcriber.words_in, window_s=window_s, language="en")
        for window_s in WINDOWS_S
    }
    ways["own length"] = partial(transcriber.words_in, window_s=0.0, language="en")
    ways |= {"question": transcriber.transcribe, "phrase": transcriber.phrase}
    total = sum(len(words(said)) for _, said in questions)
    found: dict[str, dict[str, float]] = {}
    for name, understand in ways.items():
        understand(questions[0][0])  # warm
        wrong, times = 0, []
        for samples, said in questions:
            began = time.process_time()
            text = understand(samples)
            times.append(1e3 * (time.process_time() - began))
            wrong += errors(words(said), words(text))
        found[name] = {"word_errors": round(wrong / total, 3), "cpu_ms": round(median(times), 1)}
    result = {
        "questions": len(questions),
        "seconds": round(median(len(samples) / 8000 for samples, _ in questions), 1),
        "words": total,
        "windows": found,
        "pauses": pauses(transcriber, spoken),
    }
    print(json.dumps(result, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
