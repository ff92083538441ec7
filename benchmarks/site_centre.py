"""Heads on measurements minus the site's centre, on corpora that no training heard, compared with offsets.

    python -m benchmarks.site_centre [--site 60] [--mix calls|even] [--data ../shared/data] [--cache DIR]
                                     [--seed 1] [--json]

For each corpus left out (as benchmarks.leave_one_out does) two sets of heads learn from the train and dev
speakers of the others: plain ones, and ones whose measurements are less their corpus' centre, the mean in the
expected mix. Both are asked for all clips of the corpus left out; the centre there is the mean of `--site`
readings of other speakers, without their labels. Heads alone: without relative map and blend, which the model
has beside them, so the figures are not those of `voice`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Final

import numpy as np
import numpy.typing as npt

from benchmarks.left_out import tell
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.caller import expected_mix
from emocx_pbx.emotion.voice import new_recipe
from emocx_pbx.emotion.zero import MIXES, caller_sums, offsets_of
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.figures import softmax, uar
from emocx_pbx.training.speech import voice
from emocx_pbx.training.speech.crossfit import DIRECTIONS
from emocx_pbx.training.speech.data import Clip, balance, labels_of, read_clips
from emocx_pbx.training.speech.heads import Weights, answer, fit_compressor, train
from emocx_pbx.training.speech.sites import check_size, site_rows

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]

#: Sites drawn for each speaker.
DRAWS: Final = 3


def centres(x: Floats, labels: Ints, corpora: Names, mix: str) -> Floats:
    """The centre (n, width) of each clip's corpus, of x (n, width), were its emotions in the expected mix."""
    out = np.zeros_like(x)
    shares = expected_mix(MIXES[mix])
    for corpus in np.unique(corpora):
        own = corpora == corpus
        weights = np.zeros(int(own.sum()))
        for k, share in enumerate(shares):
            of = labels[own] == k
            weights[of] = share / max(1, int(of.sum()))
        out[own] = weights @ x[own] / weights.sum()
    return out


def fitted(x: Floats, clips: Sequence[Clip], seed: int) -> list[Weights]:
    """Heads as `voice` has them, on x (variants, n, width)."""
    truth = np.eye(len(LABELS), dtype=np.float32)[labels_of(clips)]
    return [
        train(
            np.ascontiguousarray(x if fit.varied else x[:1]), truth, balance(clips), fit, seed * 100 + i, None
        )[0]
        for i, fit in enumerate(voice.FITS)
    ]


def said(heads: Sequence[Weights], x: Floats) -> Floats:
    """Mean probabilities (n, 4) of heads for x (n, width)."""
    return np.asarray(np.mean([answer(head, x) for head in heads], axis=0), np.float32)


def at_sites(
    plain: Sequence[Weights],
    centred: Sequence[Weights],
    x: Floats,
    labels: Ints,
    voices: Names,
    size: int,
    mix: str,
    seed: int,
) -> dict[str, float]:
    """UAR, means over drawn sites, of plain and centred heads for clips x (n, width) of one corpus."""
    rng, alone = np.random.default_rng(seed), said(plain, x)
    found: dict[str, list[float]] = {name: [] for name in ("plain, offsets", "centred", "centred, offsets")}
    for _ in range(DRAWS):
        answers = {name: np.zeros((len(x), len(LABELS)), np.float32) for name in found}
        for name in np.unique(voices):
            own, others = voices == name, np.flatnonzero(voices != name)
            site = others[site_rows(labels[others], voices[others], size, mix, rng)]
            less = said(centred, x - x[site].mean(axis=0))
            answers["plain, offsets"][own] = _offset(alone, site, own, mix)
            answers["centred"][own] = less[own]
            answers["centred, offsets"][own] = _offset(less, site, own, mix)
        for key, p in answers.items():
            found[key].append(uar(labels, p.argmax(axis=1)))
    return {
        "plain": uar(labels, alone.argmax(axis=1)),
        **{key: fmean(values) for key, values in found.items()},
    }


def _offset(p: Floats, site: Ints, own: npt.NDArray[np.bool_], mix: str) -> Floats:
    sums = np.sum([caller_sums([row]) for row in p[site].astype(float).tolist()], axis=0).tolist()
    return softmax(np.log(np.maximum(p[own], 1e-9)) + np.array(offsets_of(sums, MIXES[mix]), np.float32))


def measure(data: Path, cache: Path | None, size: int, mix: str, seed: int) -> dict[str, dict[str, float]]:
    """By corpus left out, and their mean: UAR of each way."""
    check_size(size, mix)
    clips = read_clips(data / "speech" / "clips.csv").clips
    learn = [c for c in clips if c.split != "test"]
    test = [c for c in clips if c.split == "test"]
    x = voice.measure(new_recipe(), learn, voice.VARIANTS, seed, tell, cache)
    x_test = voice.measure(new_recipe(), test, 0, seed, tell, cache)[0]
    labels, corpora = labels_of(learn), np.array([c.corpus for c in learn])
    asked = [*learn, *test]
    of = np.array([c.corpus for c in asked])
    everything = np.concatenate([x[0], x_test])
    found: dict[str, dict[str, float]] = {}
    for done, corpus in enumerate(np.unique(corpora)):
        tell("leave out", done, len(np.unique(corpora)))
        rest, own = np.flatnonzero(corpora != corpus), np.flatnonzero(of == corpus)
        some = [learn[int(i)] for i in rest]
        front = fit_compressor(np.ascontiguousarray(x[:, rest]), DIRECTIONS)
        ready = front(x[:, rest])
        less = np.stack([v - centres(v, labels[rest], corpora[rest], mix) for v in ready])
        here = [asked[int(i)] for i in own]
        found[str(corpus)] = at_sites(
            fitted(ready, some, seed), fitted(less, some, seed), front(everything[own]), labels_of(here),
            np.array([c.voice for c in here]), size, mix, seed,
        )  # fmt: skip
    found["mean"] = {key: fmean(f[key] for f in found.values()) for key in next(iter(found.values()))}
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Heads on measurements less the site's centre.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keeps measured clips, also those of `train`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--site", type=int, default=60, help="callers of the site")
    parser.add_argument("--mix", choices=tuple(MIXES), default="calls")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        found = measure(args.data, args.cache, args.site, args.mix, args.seed)
    except EmocxError as error:
        print(f"site_centre: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(found, indent=1))
        return 0
    ways = list(found["mean"])
    print("| corpus left out | " + " | ".join(ways) + " |\n|---" + "|---" * len(ways) + "|")
    for corpus, row in found.items():
        print(f"| {corpus} | " + " | ".join(f"{row[way]:.3f}" for way in ways) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
