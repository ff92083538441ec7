"""What the encoders' own files save: load, memory and a reading, against a graph written from the originals.

`python -m benchmarks.encoder_cost [ROUNDS]`: each way in a process of its own, in turn; medians, and the
median of the paired ratios file / originals. Needs the train extra and the fetched originals of both.
CPU seconds on one thread; memory above that of a process which has imported the same and loaded nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

ROUNDS = 7
#: Frames of 4 s of speech, and readings measured in a process.
COLUMNS, READINGS = 400, 15
WAYS = ("originals", "files", "nothing")


def loaded(way: str, folder: Path) -> list[Any]:
    """Sessions of both encoders: `files`, `originals`, or `nothing`."""
    import onnxruntime  # noqa: F401

    from emocx_pbx.emotion import encoders
    from emocx_pbx.emotion.voice import ENCODERS
    from emocx_pbx.emotion.whisper import WhisperEncoder, adds_exactly, session

    adds_exactly()
    if way == "files":
        found = (WhisperEncoder(s, layers, encoders.newest(s).sha256) for s, layers in ENCODERS)
        return [encoder._session for encoder in found]
    if way == "originals":
        from emocx_pbx.training.encoders.graph import graph
        from emocx_pbx.training.encoders.original import weights_of

        made = []
        for source, layers in ENCODERS:
            path = folder / f"{source}.onnx"
            path.write_bytes(graph(weights_of(source), layers))
            made.append(session(path))
        return made
    return []


def one(way: str) -> None:
    """Load in this process, read, and print what it took."""
    import numpy as np

    with TemporaryDirectory() as place:
        loaded("nothing", Path(place))
        start = time.process_time()
        sessions = loaded(way, Path(place))
        load = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
        kept = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
        mel = np.random.default_rng(0).standard_normal((1, 80, COLUMNS)).astype(np.float32)
        times, outputs = [], []
        for _ in range(READINGS if sessions else 0):
            start = time.process_time()
            outputs = [layer for one in sessions for layer in one.run(None, {"mel": mel})]
            times.append(1e3 * (time.process_time() - start))
        sums = [float(np.abs(layer).sum(dtype=np.float64)) for layer in outputs]
    result = {"load_s": load, "peak_mb": peak, "kept_mb": kept, "sums": sums}
    print(json.dumps({**result, "reading_ms": median(times) if times else 0.0}))


def measured(way: str) -> dict[str, Any]:
    """What a fresh process says."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.encoder_cost", "--one", way],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print the table as JSON."""
    parser = argparse.ArgumentParser(description="What the encoders' own files save.")
    parser.add_argument("rounds", type=int, nargs="?", default=ROUNDS, help=f"of each way (default {ROUNDS})")
    parser.add_argument("--one", choices=WAYS, help="measure this way in this process, once")
    args = parser.parse_args()
    if args.one:
        one(args.one)
        return
    rounds = args.rounds
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for i in range(rounds):
        for way in sorted(runs, reverse=bool(i % 2)):
            runs[way].append(measured(way))
    for way in ("files", "originals"):
        for run, bare in zip(runs[way], runs["nothing"], strict=True):
            run["peak_mb"] -= bare["peak_mb"]
            run["kept_mb"] -= bare["kept_mb"]
    result: dict[str, Any] = {
        "rounds": rounds,
        "nothing_mb": round(median(r["kept_mb"] for r in runs["nothing"])),
    }
    for name in ("load_s", "peak_mb", "kept_mb", "reading_ms"):
        pairs = [(a[name], b[name]) for a, b in zip(runs["files"], runs["originals"], strict=True)]
        ratios = sorted(a / b for a, b in pairs)
        result[name] = {
            "files": round(median(a for a, _ in pairs), 3),
            "originals": round(median(b for _, b in pairs), 3),
            "ratio": round(median(ratios), 3),
            "ratios": [round(ratios[0], 3), round(ratios[-1], 3)],
        }
    result["same_frames"] = len({tuple(r["sums"]) for way in ("files", "originals") for r in runs[way]}) == 1
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
