"""Heads on measurements minus the site's centre, beside offsets, on corpora that no training heard.

    python -m benchmarks.site_centre [--site 60] [--mix calls,even] [--share 0.5]
                                     [--speakers all|learn|test] [--variants 2] [--data ../shared/data]
                                     [--cache DIR] [--seed 1] [--json]

For each corpus left out two things learn from the train and dev speakers of the others: the relative map,
by which alone `voice` answers where recordings are unfamiliar (training/speech/blend.py), with the shipped
model's weight and temperature; and heads on measurements less their corpus' centre, the mean in the mix of
calls, in the directions that the model's heads for callers see. All clips of the corpus left out are then
heard at sites of `--site` readings of its other speakers, without their labels: with offsets, as served
(emotion/zero.py); by the heads, less the site's mean; and by both, the logarithms of whose probabilities
are averaged, with `--share` for the heads. Differences are those of both from offsets alone. `--variants 0`
learns from clips as they are, without augmented ones, in a third of the time.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.left_out import tell
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.voice import RELATIVE, blocks, new_recipe
from emocx_pbx.emotion.zero import MIXES, caller_sums, offsets_of
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.figures import softmax
from emocx_pbx.training.signals import intervals, signals
from emocx_pbx.training.speech import voice
from emocx_pbx.training.speech.centred import DIRECTIONS, placed
from emocx_pbx.training.speech.data import Clip, labels_of, read_clips
from emocx_pbx.training.speech.heads import fit_compressor
from emocx_pbx.training.speech.relative import CONTRASTS, fit_relative
from emocx_pbx.training.speech.site_heads import fit_site
from emocx_pbx.training.speech.sites import check_size, mean_figures, site_rows

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Names = npt.NDArray[np.str_]
Bools = npt.NDArray[np.bool_]

#: Sites drawn for each speaker.
DRAWS: Final = 3
FIGURES: Final = ("uar", "anger_auc", "upset_auc", "neutral_as_angry")


@dataclass(frozen=True, slots=True)
class Apart:
    """What parts that never heard a corpus say of its clips, and what they hear of them."""

    log_p: Floats
    """(n, 4) plain log probabilities."""
    places: Floats
    """(n, d) in the directions that the heads see."""
    heads: SiteHeads

    def less_centre(self, rows: Ints, site: Ints, mix: str) -> Floats:
        """Log probabilities (rows, 4) of clips by the heads, less the centre of a site's readings."""
        centre = self.heads.centre(self.places[site].mean(axis=0), MIXES[mix])
        found: Floats = self.heads.stack.read(self.places[rows] - centre).astype(np.float32)
        return found


@dataclass(frozen=True, slots=True)
class Heard:
    """Clips of all corpora, each heard by parts that never heard its corpus."""

    labels: Ints
    voices: Names
    """(n,) `corpus/speaker`."""
    apart: Mapping[str, tuple[Ints, Apart]]
    """By corpus: its clips among all, and what is said of them."""


def apart(x: Floats, learn: Sequence[Clip], new: Floats, scale: float, seed: int) -> Apart:
    """What is learnt from variants x (variants, n, width) of clips, about measurements new (m, width)."""
    labels = labels_of(learn)
    voices, corpora = np.array([c.voice for c in learn]), np.array([c.corpus for c in learn])
    relative = fit_relative(x, labels, voices, corpora, blocks(RELATIVE))
    front = fit_compressor(x, DIRECTIONS)
    places, _, within = placed(x, front, labels, voices)
    logits = (scale * (relative(new) @ CONTRASTS.T)).astype(np.float32)
    heads = fit_site(places, learn, voice.FITS, seed)
    return Apart(np.log(softmax(logits) + 1e-9), front(new) / np.float32(within), heads)


def at_sites(heard: Heard, size: int, mix: str, seed: int) -> dict[str, Floats]:
    """Log probabilities (draws, n, 4) of all clips at drawn sites: `offsets`, and `heads`."""
    rng = np.random.default_rng(seed)
    found = {
        name: np.zeros((DRAWS, len(heard.labels), len(LABELS)), np.float32) for name in ("offsets", "heads")
    }
    for rows, parts in heard.apart.values():
        labels, voices = heard.labels[rows], heard.voices[rows]
        sums = np.array([caller_sums([p]) for p in softmax(parts.log_p).astype(float).tolist()])
        for name in np.unique(voices):
            own, others = np.flatnonzero(voices == name), np.flatnonzero(voices != name)
            for draw in range(DRAWS):
                site = others[site_rows(labels[others], voices[others], size, mix, rng)]
                offsets = np.array(offsets_of(sums[site].sum(axis=0).tolist(), MIXES[mix]), np.float32)
                found["offsets"][draw, rows[own]] = parts.log_p[own] + offsets
                found["heads"][draw, rows[own]] = parts.less_centre(own, site, mix)
    return found


def figures(heard: Heard, p: Floats, rows: Ints) -> dict[str, float]:
    """Means of `signals` over draws of probabilities (draws, n, 4) and over corpora, and the worst corpus."""
    corpora = np.array([v.split("/")[0] for v in heard.voices[rows].tolist()])
    each = []
    for corpus in np.unique(corpora):
        own = rows[corpora == corpus]
        each.append(mean_figures([signals(heard.labels[own], draw[own]) for draw in p]))
    found = {name: fmean(f[name] or 0.0 for f in each) for name in FIGURES}
    return {**found, "worst_neutral_as_angry": max(f["neutral_as_angry"] or 0.0 for f in each)}


def compared(
    heard: Heard, size: int, mix: str, shares: Sequence[float], chosen: Ints, seed: int
) -> dict[str, Any]:
    """Figures of each way of hearing the chosen clips; of both together also the difference from offsets."""
    logs = at_sites(heard, size, mix, seed)
    plain = np.zeros_like(logs["offsets"][:1])
    for rows, parts in heard.apart.values():
        plain[0, rows] = parts.log_p
    ways = {"no site": softmax(plain), **{name: softmax(log_p) for name, log_p in logs.items()}}
    for share in shares:
        both = (1 - share) * np.log(ways["offsets"] + 1e-9) + share * np.log(softmax(logs["heads"]) + 1e-9)
        ways[f"both, {share:g}"] = softmax(both)
    found: dict[str, Any] = {name: figures(heard, p, chosen) for name, p in ways.items()}
    for share in shares:
        found[f"both, {share:g}"]["ahead"] = _ahead(heard, ways["offsets"], ways[f"both, {share:g}"], chosen)
    return found


def _ahead(heard: Heard, before: Floats, after: Floats, chosen: Ints) -> dict[str, Any]:
    """By how much figures of the one are above those of the other, with 90 % intervals over speakers."""

    def measure(rows: Ints) -> dict[str, float | None]:
        old, new = (figures(heard, p, chosen[rows]) for p in (before, after))
        return {name: new[name] - old[name] for name in (*FIGURES, "worst_neutral_as_angry")}

    whole = measure(np.arange(len(chosen)))
    spread = intervals(heard.voices[chosen], measure)
    return {name: {"mean": whole[name], "interval_90": spread[name]} for name in whole}


def hear(data: Path, cache: Path | None, variants: int, seed: int) -> tuple[Heard, Bools]:
    """All clips, each heard by parts that never heard its corpus, and which are of test speakers."""
    clips = read_clips(data / "speech" / "clips.csv").clips
    learn, test = ([c for c in clips if (c.split == "test") == flag] for flag in (False, True))
    x = voice.measure(new_recipe(), learn, variants, seed, tell, cache)
    everything = np.concatenate([x[0], voice.measure(new_recipe(), test, 0, seed, tell, cache)[0]])
    asked = [*learn, *test]
    corpora, of = np.array([c.corpus for c in learn]), np.array([c.corpus for c in asked])
    card = Registry().find("speech", "voice").card
    scale = float(card.recipe["blend"]["unknown_relative"]) / card.temperature
    found = {}
    for done, corpus in enumerate(np.unique(corpora)):
        tell("leave out", done, len(np.unique(corpora)))
        rest, own = np.flatnonzero(corpora != corpus), np.flatnonzero(of == corpus)
        some = [learn[int(i)] for i in rest]
        found[str(corpus)] = own, apart(np.ascontiguousarray(x[:, rest]), some, everything[own], scale, seed)
    heard = Heard(labels_of(asked), np.array([c.voice for c in asked]), found)
    return heard, np.array([c.split == "test" for c in asked])


def table(found: Mapping[str, Mapping[str, Any]]) -> str:
    """Every way in the mix of calls and the even one."""
    lines = [
        "| mix | heard by | UAR | anger AUC | upset AUC | neutral as angry | worst | UAR ahead of offsets |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for mix, ways in found.items():
        for name, f in ways.items():
            ahead = ""
            if "ahead" in f:
                gain = f["ahead"]["uar"]
                ahead = "{:+.3f} ({:+.3f} to {:+.3f})".format(gain["mean"], *gain["interval_90"])
            observed = " | ".join(f"{f[key]:.3f}" for key in (*FIGURES, "worst_neutral_as_angry"))
            lines.append(f"| {mix} | {name} | {observed} | {ahead} |")
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Heads on measurements less the site's centre.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keeps measured clips, also those of `train`")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--site", type=int, default=60, help="callers of the site")
    parser.add_argument("--mix", type=lambda text: text.split(","), default=list(MIXES), help="calls,even")
    parser.add_argument("--share", type=lambda text: [float(s) for s in text.split(",")], default=[0.5])
    parser.add_argument("--speakers", choices=("all", "learn", "test"), default="all", help="of the protocol")
    parser.add_argument("--variants", type=int, default=voice.VARIANTS, help="augmented ones of each clip")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        for mix in args.mix:
            check_size(args.site, mix)
        heard, test = hear(args.data, args.cache, args.variants, args.seed)
        chosen = {"all": np.ones(len(test), bool), "learn": ~test, "test": test}[args.speakers]
        rows = np.flatnonzero(chosen)
        found = {mix: compared(heard, args.site, mix, args.share, rows, args.seed) for mix in args.mix}
    except EmocxError as error:
        print(f"site_centre: {error}", file=sys.stderr)
        return 2
    print(json.dumps(found, indent=1) if args.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
