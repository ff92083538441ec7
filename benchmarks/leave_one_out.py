"""The `voice` recipe on a corpus, and mostly a language, that its training never heard: each corpus in turn.

    python -m benchmarks.leave_one_out [--site 60,200] [--mix calls|even] [--data ../shared/data]
                                       [--cache DIR] [--seed 1] [--write] [--json]

The parts learn from the train and dev speakers of the other corpora (benchmarks/left_out.py), and are
measured on all clips of the one left out (and, to compare, on its test speakers alone). With --site also
at sites of so many other callers, whose answers set the line's zero (emotion/zero.py): for each speaker
readings of the other speakers of the corpus, in the mix of calls (80 % neutral) or an even one.
--write adds the figures without sites to the shipped card.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.left_out import LeftOut, left_out_answers
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import EmocxError, InputError
from emocx_pbx.training.figures import figures, uar
from emocx_pbx.training.signals import intervals, signals
from emocx_pbx.training.speech.card import write_card_text
from emocx_pbx.training.speech.sites import at_site, check_size, mean_figures

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SIGNALS: Final = ("uar", "anger_auc", "upset_auc", "neutral_as_angry")


def by_corpus(asked: LeftOut, draws: Floats) -> dict[str, Any]:
    """`signals` of each corpus, their mean and worst, from probabilities (draws, n, 4), with intervals."""
    names = [str(name) for name in np.unique(asked.corpora)]

    def measure(rows: Ints) -> dict[str, float | None]:
        """Means over the corpora, and the worst share of neutral taken for angry."""
        of = asked.corpora[rows]
        each = [_of(asked, draws, rows[of == name]) for name in names]
        worst = max(f["neutral_as_angry"] or 0.0 for f in each)
        return {**mean_figures(each), "worst_neutral_as_angry": worst}

    everyone = np.arange(len(asked.labels))
    return {
        "mean": {**measure(everyone), "interval_90": intervals(asked.voices, measure)},
        "corpora": {name: _of(asked, draws, np.flatnonzero(asked.corpora == name)) for name in names},
    }


def _of(asked: LeftOut, draws: Floats, rows: Ints) -> dict[str, float | None]:
    return mean_figures([signals(asked.labels[rows], p[rows]) for p in draws])


def measure(asked: LeftOut, seed: int, sizes: Sequence[int], mix: str, threshold: float) -> dict[str, Any]:
    """Figures of every corpus left out in turn, and their mean."""
    found = {}
    for corpus in np.unique(asked.corpora):
        own = asked.corpora == corpus
        truth, p, test = asked.labels[own], asked.probabilities[own], asked.test[own]
        found[str(corpus)] = {
            **figures(truth, p, threshold),
            "uar_test_speakers": round(uar(truth[test], p[test].argmax(axis=1)), 4),
            "familiar": round(float(np.median(asked.familiar[own])), 3),
        }
    sites = {"0": by_corpus(asked, asked.probabilities[None])}
    for size in sizes:
        draws = at_site(asked.probabilities, asked.labels, asked.voices, size, mix, seed, placed=asked.placed)
        sites[str(size)] = by_corpus(asked, draws)
    return {
        "seed": seed,
        "mean_uar": round(fmean(f["uar"] for f in found.values()), 4),
        "mean_uar_test_speakers": round(fmean(f["uar_test_speakers"] for f in found.values()), 4),
        "corpora": found,
        "mix": mix,
        "sites": sites,
    }


def sites_table(result: dict[str, Any]) -> str:
    """Each corpus, then the mean with its interval, at sites of each size."""
    lines = [
        f"| callers there ({result['mix']}) | corpus | UAR | anger AUC | upset AUC | neutral as angry |",
        "|---|---|---|---|---|---|",
    ]
    for size, found in result["sites"].items():
        for name, f in found["corpora"].items():
            lines.append(f"| {size} | {name} | " + " | ".join(f"{f[key]:.3f}" for key in SIGNALS) + " |")
        mean, spread = found["mean"], found["mean"]["interval_90"]
        observed = [f"{mean[key]:.3f} ({spread[key][0]:.3f} to {spread[key][1]:.3f})" for key in SIGNALS]
        worst = mean["worst_neutral_as_angry"], *spread["worst_neutral_as_angry"]
        observed[-1] += "; worst {:.3f} ({:.3f} to {:.3f})".format(*worst)
        lines.append(f"| {size} | **mean** | " + " | ".join(observed) + " |")
    return "\n".join(lines)


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(",") if part)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r}: expected numbers like 60,200") from None


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Each corpus left out of training in turn.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keeps measured clips, also those of `train`, and answers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--site", type=_sizes, default=(), help="callers of the site, e.g. 60,200")
    parser.add_argument("--mix", choices=("calls", "even"), default="calls", help="of the site's callers")
    parser.add_argument("--write", action="store_true", help="add the figures to the shipped model's card")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        for size in args.site:
            check_size(size, args.mix)
        folder = Registry().find("speech", "voice")
        asked = left_out_answers(args.data, args.seed, args.cache)
        result = measure(asked, args.seed, args.site, args.mix, folder.card.threshold)
        if args.write:
            observed = {key: result[key] for key in ("seed", "mean_uar", "mean_uar_test_speakers", "corpora")}
            card = replace(folder.card, figures={**folder.card.figures, "leave_one_out": observed})
            card.write(folder.path)
            write_card_text(folder.path, card)
    except (EmocxError, InputError) as error:
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
    print()
    print(sites_table(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
