"""What one query costs: the text model as served, its network alone, and a spoken question transcribed.

    python benchmarks/text_cost.py [--speech FILE] [--json]

Medians on one thread, the models warm, in the code of serving.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.text import load_reader, load_text
from emocx_pbx.emotion.transcribe import load_transcriber

TEXTS = {
    "short (9 words)": "I have been charged twice and nobody answers me",
    "long (60 words)": "I ordered a table on Monday and it was sent to the wrong address. " * 4,
    "10,000 characters": "I ordered a table on Monday and it was sent to the wrong address. " * 150,
}


def median_ms(function: Callable[[], object], repeats: int) -> float:
    spent = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        spent.append(1000 * (time.perf_counter() - started))
    return round(statistics.median(spent), 3)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of the text model and of speech-to-text.")
    default = Path(__file__).parents[1] / "tests" / "data" / "caller_question.flac"
    parser.add_argument("--speech", type=Path, default=default, help="recording at 8 kHz, one channel")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    started = time.perf_counter()
    reader, network = load_reader(Registry(), "lstm"), load_text(Registry(), "lstm")
    result = {"load_ms": round(1000 * (time.perf_counter() - started), 1)}
    for name, text in TEXTS.items():
        result[f"text, {name}, ms"] = median_ms(partial(reader.read, text), 200)
        result[f"network alone, {name}, ms"] = median_ms(partial(network.classify, text), 200)
    transcriber = load_transcriber("auto")
    if transcriber is not None:
        import soundfile

        samples, rate = soundfile.read(args.speech, dtype="float32")
        if rate != 8000 or samples.ndim != 1:
            parser.error(f"{args.speech}: expected one channel at 8000 Hz")
        for seconds in (4, 8):
            part = samples[: seconds * rate]
            transcribe = partial(transcriber.transcribe, part)
            result[f"speech-to-text, {len(part) / rate:.0f} s, ms"] = median_ms(transcribe, 5)
    if args.json:
        print(json.dumps(result))
    else:
        for name, value in result.items():
            print(f"{name:>32}  {value}")


if __name__ == "__main__":
    main()
