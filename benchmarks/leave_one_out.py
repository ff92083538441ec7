"""A speech model on a corpus, and mostly a language, that its training never heard: each corpus in turn.

    python -m benchmarks.leave_one_out [--data ../shared/data] [--cache DIR] [--seed 1] [--write] [--json]

The recipe is that of `voice`, with one pair of heads instead of five (nothing is chosen, so no speaker need
be kept apart); it learns from the train and dev speakers of the other corpora, and is measured on all
clips of the one left out (and, to compare, on its test speakers alone). Temperature and threshold are the
shipped card's. --write adds the figures to that card.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.voice import new_recipe
from emocx_pbx.errors import EmocxError
from emocx_pbx.training import voice
from emocx_pbx.training.crossfit import answers_for
from emocx_pbx.training.data import Clip, FloatArray, balance, labels_of, read_clips
from emocx_pbx.training.figures import figures, softmax, uar


def tell(stage: str, done: int, total: int) -> None:
    """Progress of what takes long, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{stage} {done}/{total}   ", end="", file=sys.stderr)


def left_out(
    learn: Sequence[Clip],
    x: FloatArray,
    unheard: Sequence[Clip],
    x_unheard: FloatArray,
    seed: int,
    card: Card,
) -> dict[str, Any]:
    """Figures on the clips of one corpus (m,) with measurements (m, width), from others' x (v, n, width)."""
    log_p = answers_for(x, learn, x_unheard, balance, voice.FITS, seed)
    p = softmax(log_p / card.temperature)
    truth = labels_of(unheard)
    test = np.array([c.split == "test" for c in unheard])
    return {
        **figures(truth, p, card.threshold),
        "uar_test_speakers": round(uar(truth[test], p[test].argmax(axis=1)), 4),
    }


def measure(data: Path, seed: int, cache: Path | None, card: Card) -> dict[str, Any]:
    """Figures of every corpus left out in turn, and their mean."""
    clips = read_clips(data / "speech" / "clips.csv").clips
    learn = [c for c in clips if c.split != "test"]
    test = [c for c in clips if c.split == "test"]
    recipe = new_recipe()
    x = voice.measure(recipe, learn, voice.VARIANTS, seed, tell, cache)
    x_test = voice.measure(recipe, test, 0, seed, tell, cache)[0]
    found = {}
    for corpus in sorted({c.corpus for c in clips}):
        inside = np.array([c.corpus == corpus for c in learn])
        inside_test = np.array([c.corpus == corpus for c in test])
        unheard = [c for c in (*learn, *test) if c.corpus == corpus]
        x_unheard = np.concatenate((x[0, inside], x_test[inside_test]))
        others = [c for c in learn if c.corpus != corpus]
        found[corpus] = left_out(others, x[:, ~inside], unheard, x_unheard, seed, card)
        print(f"{corpus}: UAR {found[corpus]['uar']}", file=sys.stderr)
    return {
        "seed": seed,
        "mean_uar": round(fmean(f["uar"] for f in found.values()), 4),
        "mean_uar_test_speakers": round(fmean(f["uar_test_speakers"] for f in found.values()), 4),
        "corpora": found,
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Each corpus left out of training in turn.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keeps measured clips, also those of `train`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", action="store_true", help="add the figures to the shipped model's card")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        folder = Registry().find("speech", "voice")
        result = measure(args.data, args.seed, args.cache, folder.card)
        if args.write:
            card = replace(folder.card, figures={**folder.card.figures, "leave_one_out": result})
            card.write(folder.path)
    except EmocxError as error:
        print(f"leave_one_out: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(result, indent=1))
        return 0
    print("| corpus left out | clips | UAR | angry | neutral | disappointed | happy | ECE | test speakers |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, f in result["corpora"].items():
        recall = " | ".join(f"{r:.2f}" for r in f["recall"].values())
        print(f"| {name} | {f['clips']} | {f['uar']:.3f} | {recall} | {f['ece']:.3f}"
              f" | {f['uar_test_speakers']:.3f} |")  # fmt: skip
    print(f"| mean | | {result['mean_uar']:.3f} | | | | | | {result['mean_uar_test_speakers']:.3f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
