"""What a reading costs: median ms of each shipped speech model on 4 s of speech, one thread, in one run.

`python -m benchmarks.speech_cost [RECORDING]`
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import soundfile

from emocx_pbx.emotion import voice
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import load_speech

DEFAULT = Path("../shared/data/calls/auto_repairs_40_caller.flac")


def main() -> None:
    parser = argparse.ArgumentParser(description="What a reading costs with each shipped speech model.")
    parser.add_argument("recording", type=Path, nargs="?", default=DEFAULT, help="of speech at 8 kHz, mono")
    path = parser.parse_args().recording
    samples, _ = soundfile.read(path, dtype="float32")
    clips = [samples[i : i + 32000] for i in range(0, samples.size - 32000, 32000)]
    registry = Registry()
    result = {}
    for name in registry.names("speech"):
        if name == "voice" and not voice.available():
            continue
        model = load_speech(registry, name)
        model.probabilities(clips[0])
        for way, read in (("clip", model.probabilities), ("reading of a call", model.session().read)):
            times = []
            for clip in clips:
                start = time.perf_counter()
                read(clip)
                times.append(1e3 * (time.perf_counter() - start))
            result[f"{model.name}, {way}"] = {
                "median_ms": round(float(np.median(times)), 2),
                "p95_ms": round(float(np.percentile(times, 95)), 2),
            }
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
