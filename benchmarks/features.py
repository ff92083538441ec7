"""Features of 3 s clips: this project's one pass against librosa's three functions, in one run.

`python -m benchmarks.features [RECORDING]`; one thread, medians.
"""

from __future__ import annotations

import argparse
import json
import os
import time
import warnings
from collections.abc import Callable
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "1"

import librosa  # noqa: E402
import numpy as np  # noqa: E402
import soundfile  # noqa: E402

from emocx_pbx.audio import features as ours  # noqa: E402

DEFAULT = Path("../shared/data/calls/auto_repairs_40_caller.flac")


def by_librosa(x: ours.FloatArray) -> ours.FloatArray:
    parts = (
        librosa.feature.mfcc(y=x, sr=8000, n_mfcc=40),
        librosa.feature.chroma_stft(y=x, sr=8000),
        librosa.feature.melspectrogram(y=x, sr=8000),
    )
    return np.concatenate([p.mean(axis=1) for p in parts])


def median_ms(function: Callable[[ours.FloatArray], object], clips: list[ours.FloatArray]) -> float:
    function(clips[0])
    times = []
    for clip in clips * 3:
        start = time.perf_counter()
        function(clip)
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def main() -> None:
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description="Features of 3 s clips, against librosa.")
    parser.add_argument("recording", type=Path, nargs="?", default=DEFAULT, help="of speech at 8 kHz, mono")
    path = parser.parse_args().recording
    samples, _ = soundfile.read(path, dtype="float32")
    clips = [samples[i : i + 24000] for i in range(0, samples.size - 24000, 24000)]
    worst = max(
        float(np.max(np.abs(ours.features(c) - by_librosa(c)) / np.abs(by_librosa(c)).max())) for c in clips
    )
    mine, theirs = median_ms(ours.features, clips), median_ms(by_librosa, clips)
    print(
        json.dumps(
            {
                "clips": len(clips),
                "features_ms": round(mine, 3),
                "librosa_ms": round(theirs, 3),
                "times_faster": round(theirs / mine, 2),
                "log_mel_ms": round(median_ms(ours.log_mel, clips), 3),
                "largest_difference": worst,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
