"""How the `voice` recipe does on a corpus that it never heard: trained without each corpus in turn.

    python -m benchmarks.leave_one_out [--data ../shared/data] [--cache DIR] [--seed N] [--json]

The heads learn from the other corpora's training clips as they are (no augmented variants, which would cost
four times the listening); all clips of the corpus left out are the test. Nothing of it is used before.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion import voice
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.data import Clip, balance, labels_of, read_clips
from emocx_pbx.training.figures import softmax, uar
from emocx_pbx.training.speech import FITS, Floats, Progress, find_clips, fit_heads, measured


def told(stage: str, done: int, total: int) -> None:
    """Progress on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{stage} {done}/{total}   ", end="", file=sys.stderr)


def left_out(corpus: str, clips: list[Clip], x: Floats, seed: int, tell: Progress) -> dict[str, Any]:
    """Figures on all clips of one corpus, x (n, width), by heads taught by the others' train split."""
    labels = labels_of(clips)
    learns = np.array([c.corpus != corpus and c.split == "train" for c in clips])
    tests = np.array([c.corpus == corpus for c in clips])
    y = np.eye(len(LABELS), dtype=np.float32)[labels]
    weights = balance([c for c, chosen in zip(clips, learns, strict=True) if chosen])
    network, _ = fit_heads("voice", x[learns][None], y[learns], weights, FITS["voice"], seed, None, tell)
    best = softmax(network.predict(x[tests], verbose=0)).argmax(axis=1)
    truth = labels[tests]
    recall = {str(name): round(float(np.mean(best[truth == k] == k)), 3) for k, name in enumerate(LABELS)}
    return {"clips": int(tests.sum()), "uar": round(float(uar(truth, best)), 3), "recall": recall}


def measure(data: Path, cache: Path | None, seed: int) -> dict[str, Any]:
    """Figures of every corpus left out, and the mean of their UAR."""
    clips = list(read_clips(find_clips(data), progress=lambda d, n: told("read", d, n)).clips)
    x, _ = measured(voice.new_recipe(), clips, [], 0, seed, told, cache)
    # (1, n, width)
    corpora = {c: left_out(c, clips, x[0], seed, told) for c in sorted({clip.corpus for clip in clips})}
    return {"mean_uar": round(fmean(f["uar"] for f in corpora.values()), 3), "corpora": corpora}


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="The voice recipe on corpora that it never heard.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keeps measured clips for a second run")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        found = measure(args.data, args.cache, args.seed)
    except EmocxError as error:
        print(f"leave_one_out: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    print("| corpus left out | clips | UAR | " + " | ".join(str(label) for label in LABELS) + " |")
    print("|---" * (3 + len(LABELS)) + "|")
    for name, row in found["corpora"].items():
        each = " | ".join(f"{r:.2f}" for r in row["recall"].values())
        print(f"| {name} | {row['clips']} | {row['uar']:.3f} | {each} |")
    print(f"| mean | | {found['mean_uar']:.3f} | | | | |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
