"""What the `voice` recipe answers about corpora that its training never heard: each corpus in turn.

Heads, relative map and the map of what is familiar learn from the train and dev speakers of the other
corpora; so do the blend of the parts and its temperature. There is one head of each kind, not one for
every fold.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.pcm import SAMPLE_RATE
from emocx_pbx.emotion.site import SiteHeads
from emocx_pbx.emotion.voice import RELATIVE, blocks, new_recipe
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.figures import softmax
from emocx_pbx.training.speech import voice
from emocx_pbx.training.speech.blend import Answers, fit_blend, fit_temperature
from emocx_pbx.training.speech.callers import Unheard, learn_prior
from emocx_pbx.training.speech.centred import DIRECTIONS, placed
from emocx_pbx.training.speech.crossfit import Outsider, Recipe, asked, cross_fit
from emocx_pbx.training.speech.data import Clip, labels_of, read_clips
from emocx_pbx.training.speech.relative import Relative
from emocx_pbx.training.speech.site_heads import fit_site
from emocx_pbx.training.speech.sites import SitePlaces

#: Fields of LeftOut that are kept by corpus.
_BY_CORPUS: Final = ("priors", "placed")

Floats = npt.NDArray[np.float32]
Names = npt.NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Answers (n, 4) about all clips of the corpora left out, each by what never heard its corpus."""

    probabilities: Floats
    contrasts: Floats
    """(n, 3) of the relative map."""
    known: Floats
    """(n,): how far the recordings count as like those learnt from."""
    seconds: Floats
    """(n,) of speech."""
    labels: npt.NDArray[np.int64]
    voices: npt.NDArray[np.str_]
    """(n,) `corpus/speaker`."""
    familiar: Floats
    test: npt.NDArray[np.bool_]
    """(n,): whether of the protocol's test speakers."""
    priors: dict[str, dict[str, Floats]]
    """By corpus left out: what others teach of how callers differ, for contrasts in place of measurements."""
    placed: SitePlaces
    """What they are heard by less a site's centre."""

    @property
    def corpora(self) -> npt.NDArray[np.str_]:
        """Of each answer (n,)."""
        return np.array([str(v).split("/")[0] for v in self.voices])


def tell(stage: str, done: int, total: int) -> None:
    """Progress of what takes long, on a terminal."""
    if sys.stderr.isatty():
        print(f"\r{stage} {done}/{total}   ", end="", file=sys.stderr)


def left_out_answers(data: Path, seed: int, cache: Path | None) -> LeftOut:
    """Fit without each corpus in turn, and ask; with `cache` measurements and answers are kept there."""
    clips = read_clips(data / "speech" / "clips.csv").clips
    learn = [c for c in clips if c.split != "test"]
    test = [c for c in clips if c.split == "test"]
    kept = None if cache is None else cache / f"left-out-{_key(clips, seed)}.npz"
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            return _restored(stored)
    found = _asked(learn, test, seed, cache)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, allow_pickle=False, **_stored(found))
    return found


def _key(clips: Sequence[Clip], seed: int) -> str:
    recipe: list[Any] = [
        new_recipe()["encoders"],
        voice.VARIANTS,
        repr(voice.FITS),
        RELATIVE,
        DIRECTIONS,
        seed,
    ]
    key = hashlib.sha256(json.dumps(recipe, sort_keys=True).encode())
    for clip in clips:
        key.update(clip.samples.tobytes())
    return key.hexdigest()[:24]


def _asked(learn: list[Clip], test: list[Clip], seed: int, cache: Path | None) -> LeftOut:
    x = voice.measure(new_recipe(), learn, voice.VARIANTS, seed, tell, cache)
    x_test = voice.measure(new_recipe(), test, 0, seed, tell, cache)[0]
    recipe = Recipe(voice.FITS, blocks(RELATIVE), seed)
    fitted = cross_fit(x, learn, recipe, tell)
    if fitted.outside is None:
        raise EmocxError("clips of at least three corpora are needed")
    tested = asked(fitted.outsiders, x_test, test)
    voices = [np.array([c.voice for c in part]) for part in (learn, test)]
    everything = np.concatenate([x[0], x_test])
    places = _placed(x, everything, learn, [*learn, *test], fitted.outsiders, seed)
    sizes = [c.samples.size for c in (*learn, *test)]
    return gathered(fitted.inside, fitted.outside, tested, voices, sizes, *places)


def _placed(
    x: Floats,
    everything: Floats,
    learn: Sequence[Clip],
    clips: Sequence[Clip],
    outsiders: Mapping[str, Outsider],
    seed: int,
) -> tuple[Floats, dict[str, SiteHeads]]:
    """Places (n, d) of all clips, measured as `everything` (n, width), and the heads for them, by corpus."""
    labels, voices = labels_of(learn), np.array([c.voice for c in learn])
    corpora, of = np.array([c.corpus for c in learn]), np.array([c.corpus for c in clips])
    places, heads = np.zeros((len(clips), DIRECTIONS), np.float32), {}
    for done, (corpus, parts) in enumerate(sorted(outsiders.items())):
        tell("site heads", done, len(outsiders))
        rest, own = np.flatnonzero(corpora != corpus), of == corpus
        seen, _, scale = placed(x[:, rest], parts.front, labels[rest], voices[rest])
        heads[corpus] = fit_site(seen, [learn[int(i)] for i in rest], voice.FITS, seed)
        places[own] = parts.front(everything[own])[:, :DIRECTIONS] / scale
    return places, heads


def gathered(
    inside: Answers,
    outside: Answers,
    tested: Answers,
    voices: Sequence[Names],
    sizes: Sequence[int],
    places: Floats,
    heads: Mapping[str, SiteHeads],
) -> LeftOut:
    """Answers of parts that never heard a speaker (`inside`) or a corpus, put together and calibrated.

    `voices` are those of the clips learnt from and of the test's; `sizes` of all clips, in samples; `places`
    (n, d) of all, and `heads` for them by corpus.
    """
    everything = Answers(
        *(np.concatenate([getattr(a, f.name) for a in (outside, tested)]) for f in fields(Answers)),
    )
    probabilities = np.zeros((len(everything.labels), 4), np.float32)
    known = np.zeros(len(everything.labels), np.float32)
    priors = {}
    for corpus in np.unique(outside.corpora):
        others = inside.of(inside.corpora != corpus), outside.of(outside.corpora != corpus)
        blend = fit_blend(*others)
        temperature, own = fit_temperature(blend, *others), everything.corpora == corpus
        probabilities[own] = softmax(blend(everything.of(own)) / temperature)
        known[own] = blend.known(everything.familiar[own])
        heard = voices[0][inside.corpora != corpus]
        priors[str(corpus)] = _prior(others[0], softmax(blend(others[0]) / temperature), heard)
    return LeftOut(
        probabilities,
        everything.contrasts,
        known,
        (np.array(sizes) / SAMPLE_RATE).astype(np.float32),
        everything.labels,
        np.concatenate(voices),
        everything.familiar,
        np.concatenate([np.full(len(v), flag) for v, flag in zip(voices, (False, True), strict=True)]),
        priors,
        SitePlaces(places, known, heads),
    )


def _prior(inside: Answers, probabilities: Floats, voices: Names) -> dict[str, Floats]:
    """How callers differ, learnt from answers about clips (n,) of other corpora."""
    rows = len(voices)
    log_p = np.log(np.maximum(probabilities, 1e-9))
    unheard = Unheard(
        inside.contrasts, log_p, np.ones(rows, np.float32), inside.labels, voices, inside.corpora,
        np.zeros(rows, np.int64),
    )  # fmt: skip
    return learn_prior(unheard, Relative(np.eye(3, dtype=np.float32), np.zeros(3, np.float32)))[0]


def _stored(found: LeftOut) -> dict[str, npt.NDArray[Any]]:
    arrays = {f.name: getattr(found, f.name) for f in fields(found) if f.name not in _BY_CORPUS}
    of_corpora = {f"{c}/{n}": a for c, prior in found.priors.items() for n, a in prior.items()}
    of_corpora |= {f"{c}/{n}": a for c, one in found.placed.heads.items() for n, a in one.arrays().items()}
    return arrays | of_corpora | {"places": found.placed.places}


def _restored(stored: Mapping[str, Any]) -> LeftOut:
    of_corpora: dict[str, dict[str, Floats]] = {}
    for name in stored:
        corpus, slash, own = name.partition("/")
        if slash:
            of_corpora.setdefault(corpus, {})[own] = stored[name]
    heads, priors = {}, {}
    for corpus, own_arrays in of_corpora.items():
        if (site := SiteHeads.of(own_arrays)) is not None:
            heads[corpus] = site
        of_heads = site.arrays() if site is not None else {}
        priors[corpus] = {n: a for n, a in own_arrays.items() if n not in of_heads}
    arrays = {f.name: stored[f.name] for f in fields(LeftOut) if f.name not in _BY_CORPUS}
    return LeftOut(**arrays, priors=priors, placed=SitePlaces(stored["places"], stored["known"], heads))
