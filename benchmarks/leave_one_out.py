"""The `voice` recipe on a corpus, and mostly a language, that its training never heard: each corpus in turn.

    python -m benchmarks.leave_one_out [--data ../shared/data] [--cache DIR] [--seed 1] [--write] [--json]

Heads, relative map and the map of what is familiar learn from the train and dev speakers of the other
corpora, and are measured on all clips of the one left out (and, to compare, on its test speakers alone).
The blend of the parts is fitted without the corpus too. There is one head of each kind, not one for every
fold.
--write adds the figures to the shipped card.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.voice import RELATIVE, blocks, new_recipe
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.figures import figures, softmax, uar
from emocx_pbx.training.speech import voice
from emocx_pbx.training.speech.blend import fit_blend, fit_temperature
from emocx_pbx.training.speech.card import write_card_text
from emocx_pbx.training.speech.crossfit import Recipe, cross_fit, left_out
from emocx_pbx.training.speech.data import read_clips


def tell(stage: str, done: int, total: int) -> None:
    """Progress of what takes long, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{stage} {done}/{total}   ", end="", file=sys.stderr)


def measure(data: Path, seed: int, cache: Path | None, threshold: float) -> dict[str, Any]:
    """Figures of every corpus left out in turn, and their mean."""
    clips = read_clips(data / "speech" / "clips.csv").clips
    learn = [c for c in clips if c.split != "test"]
    test = [c for c in clips if c.split == "test"]
    x = voice.measure(new_recipe(), learn, voice.VARIANTS, seed, tell, cache)
    x_test = voice.measure(new_recipe(), test, 0, seed, tell, cache)[0]
    recipe = Recipe(voice.FITS, blocks(RELATIVE), seed)
    fitted = cross_fit(x, learn, recipe, tell)
    inside, outside = fitted.inside, fitted.outside
    if outside is None:
        raise EmocxError(f"{data}: clips of at least three corpora are needed")
    tested = left_out(x, learn, x_test, test, recipe, fitted.usual, tell)
    found = {}
    for corpus in np.unique(outside.corpora):
        others = inside.of(inside.corpora != corpus), outside.of(outside.corpora != corpus)
        blend = fit_blend(*others)
        parts = [a.of(a.corpora == corpus) for a in (outside, tested)]
        temperature = fit_temperature(blend, *others)
        p = np.concatenate([softmax(blend(a) / temperature) for a in parts])
        truth = np.concatenate([a.labels for a in parts])
        at_test = len(parts[0].labels)
        found[str(corpus)] = {
            **figures(truth, p, threshold),
            "uar_test_speakers": round(uar(truth[at_test:], p[at_test:].argmax(axis=1)), 4),
            "familiar": round(float(np.median(np.concatenate([a.familiar for a in parts]))), 3),
        }
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
        result = measure(args.data, args.seed, args.cache, folder.card.threshold)
        if args.write:
            card = replace(folder.card, figures={**folder.card.figures, "leave_one_out": result})
            card.write(folder.path)
            write_card_text(folder.path, card)
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
