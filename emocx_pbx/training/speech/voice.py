"""Trains `voice`: heads and a relative map on Whisper's statistics, calibration, and the caller model.

All three from speakers of train and dev, by cross-fitting (`crossfit`): dev has too few speakers to
choose anything on. Test is only reported.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.adaptation import Adaptation
from emocx_pbx.emotion.card import Card, checksum, read_card
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.emotion.speech import CALLER, SpeechClassifier
from emocx_pbx.emotion.voice import RELATIVE, VoiceFrontEnd, blocks, new_recipe
from emocx_pbx.training import plots
from emocx_pbx.training.base import KERAS
from emocx_pbx.training.figures import calibrate, softmax
from emocx_pbx.training.speech import networks
from emocx_pbx.training.speech.augment import augment
from emocx_pbx.training.speech.blend import fit_temperature
from emocx_pbx.training.speech.callers import (
    EARLIER,
    Unheard,
    caller_figures,
    check_teaches,
    cross_fitted_figures,
    learn_prior,
)
from emocx_pbx.training.speech.card import write_card_text
from emocx_pbx.training.speech.centred import fit_centred
from emocx_pbx.training.speech.companion import kept
from emocx_pbx.training.speech.crossfit import CrossFitted, Recipe, cross_fit, deal
from emocx_pbx.training.speech.data import Clip, labels_of, licence_of, on_line
from emocx_pbx.training.speech.evaluate import predict, summary
from emocx_pbx.training.speech.failures import misread_speakers, worst_clips
from emocx_pbx.training.speech.networks import Fit
from emocx_pbx.training.speech.site_heads import fit_site
from emocx_pbx.training.speech.voice_network import network, opened

Floats = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]

NAME: Final = "voice"
PROTOCOL: Final = (
    "speaker-disjoint train/dev/test; 8 kHz G.711 mu-law; speakers of train and dev are cross-fitted in five "
    "folds, which choose; test reports"
)
#: How a call's mix of emotions and a reading's distance count (see emotion/caller.py): chosen on speakers
#: kept out of folds, and for strange recordings on corpora left out.
ADAPTATION: Final = {"mix": 8.0, "trust": 0.6, "strange": {"mix": 16.0, "trust": 0.3}}
NOTE: Final = "UAR of callers assembled from the split's own speakers (training/speech/callers.py)"
#: Augmented variants of each clip, beside the clip itself.
VARIANTS: Final = 2
#: Heads of each fold: three that err differently.
FITS: Final = (
    Fit(epochs=45, hidden=(320,), drop_in=0.2, drop=0.5, batch=128),
    Fit(epochs=30, hidden=(320,), drop_in=0.2, drop=0.5, batch=128, noise=0.2),
    Fit(epochs=45, hidden=(384,), drop_in=0.2, drop=0.5, batch=128, varied=False),
)


def train_voice(
    clips: Sequence[Clip],
    out: Path,
    seed: int,
    base: Path | None,
    tell: Progress,
    cache: Path | None = None,
    fits: Sequence[Fit] = FITS,
    variants: int = VARIANTS,
) -> Path:
    """Train on the clips of all splits but test, report on test; the new version's folder.

    With `base` its heads are trained further, at a gentler rate; its encoders and what is known of callers
    are kept. Raises InputError, before anything is measured, when the clips do not teach how callers differ.
    """
    learn = [c for c in clips if c.split != "test"]
    voices = np.array([c.voice for c in learn])
    recipe = new_recipe()
    start = None
    if base is None:
        check_teaches(labels_of(learn), voices, deal(learn))
    else:
        start = opened(base, NAME)
        # Its heads know what its own encoders say, even if new models have others.
        recipe["encoders"] = read_card(base).recipe["encoders"]
        fits = [replace(fit, epochs=15, rate=fit.rate / 5) for fit in fits]
    x = measure(recipe, learn, variants, seed, tell, cache)
    fitted = cross_fit(x, learn, Recipe(tuple(fits), blocks(RELATIVE), seed), tell, start)
    inside = fitted.inside
    logits = fitted.parts.blend(inside)
    temperature = fit_temperature(fitted.parts.blend, inside, fitted.outside)
    _, of, sizes = np.unique(inside.corpora, return_inverse=True, return_counts=True)
    counts = (1 / sizes[of]).astype(np.float32)
    calibration = calibrate(inside.labels, logits, temperature=temperature, weights=counts)
    p = softmax(logits / temperature)
    log_p = np.log(np.maximum(p, 1e-9))
    adaptation: dict[str, Any] = {"earlier_clips": EARLIER, "note": NOTE}
    arrays: dict[str, Any]
    if base is None:
        folds, relative = deal(learn), fitted.parts.relative
        known = fitted.parts.blend.known(inside.familiar).astype(np.float32)
        unheard = Unheard(inside.contrasts, log_p, known, inside.labels, voices, inside.corpora, folds)
        centred = fit_centred(x, learn, folds, fitted, fits, seed, tell)
        site = fit_site(centred.whole.places(x), learn, fits, seed)
        arrays = {**learn_prior(unheard, relative)[0], **centred.whole.arrays(), **site.arrays()}
        adaptation["out_of_fold"] = cross_fitted_figures(
            unheard, relative, centred.by_fold, x[0], seed, ADAPTATION
        )
    else:
        with np.load(base / CALLER, allow_pickle=False) as stored:
            arrays = dict(stored)
    Adaptation.of(arrays, ADAPTATION)  # refused here rather than when served
    folder = next_folder(out)
    networks.save(network(fitted.parts), folder, x.shape[2:])
    np.savez(folder / CALLER, allow_pickle=False, **arrays)
    card = Card(
        kind="speech",
        name=NAME,
        version=folder.name,
        labels=tuple(str(label) for label in LABELS),
        threshold=calibration.threshold,
        temperature=calibration.temperature,
        recipe={**recipe, "blend": asdict(fitted.parts.blend), "adaptation": ADAPTATION},
        sha256={n: checksum(folder / n) for n in ("model.tflite", CALLER)},
        tuning={KERAS: checksum(folder / KERAS)},
        figures={
            "out_of_fold": summary(learn, p, None, calibration.threshold),
            "familiar": _familiarity(fitted),
            "adaptation": adaptation,
        },
        data={
            "corpora": sorted({c.corpus for c in clips}),
            "clips": {s: sum(c.split == s for c in clips) for s in ("train", "dev", "test")},
            "seed": seed,
            "protocol": PROTOCOL,
        },
        licence=licence_of(clips),
    )
    if base is not None:
        card = kept(ModelFolder(base, read_card(base)), card, folder)
    return report(folder, card, clips, fitted.curves, seed, tell, cache)


def report(
    folder: Path,
    card: Card,
    clips: Sequence[Clip],
    curves: Sequence[Sequence[float]],
    seed: int,
    tell: Progress,
    cache: Path | None,
) -> Path:
    """Measure the files as they are served on the test clips; write card and pictures."""
    test = [c for c in clips if c.split == "test"]
    if test:
        classifier = SpeechClassifier(ModelFolder(folder, card))
        p, seconds = predict(classifier, test, lambda done, of: tell("test", done, of))
        labels = labels_of(test)
        figures: dict[str, Any] = {**card.figures, "test": summary(test, p, seconds, card.threshold)}
        if classifier.caller is not None:
            x = measure(card.recipe, test, 0, seed, tell, cache)[0]
            log_p = np.log(np.maximum(p, 1e-9))
            voices = np.array([c.voice for c in test])
            found = caller_figures(
                classifier.caller, classifier.caller.inputs(x, log_p), labels, voices, seed
            )
            figures["adaptation"] = {**card.figures["adaptation"], "test": found}
        figures |= {"misread": misread_speakers(test, p), "worst": worst_clips(test, p)}
        card = replace(card, figures=figures)
        plots.pictures(folder, labels, p, curves)
    card.write(folder)
    write_card_text(folder, card)
    return folder


def _familiarity(fitted: CrossFitted) -> dict[str, float]:
    """Area under the ROC curve of familiarity: each corpus left out against speakers kept out of folds."""
    if fitted.outside is None:
        return {}
    known, found = fitted.inside.familiar, {}
    for name in np.unique(fitted.outside.corpora):
        unknown = fitted.outside.of(fitted.outside.corpora == name).familiar
        above = np.searchsorted(np.sort(unknown), known).mean() / len(unknown)
        found[str(name)] = round(float(above), 3)
    return found


def next_folder(out: Path) -> Path:
    """The folder of the next version."""
    versions = Registry(out).versions("speech", NAME)
    return out / "speech" / NAME / str(max([int(v) for v in versions], default=0) + 1)


def measure(
    recipe: Mapping[str, Any],
    clips: Sequence[Clip],
    variants: int,
    seed: int,
    tell: Progress,
    cache: Path | None = None,
) -> Floats:
    """Measurements (1 + variants, n, width), to half precision, of clips over the line and of varied ones.

    With `cache` each variant is kept as soon as it is measured: an interrupted run continues from there.
    """
    key = hashlib.sha256(json.dumps([recipe["encoders"], seed], sort_keys=True).encode())
    for clip in clips:
        key.update(clip.samples.tobytes())
    name, front = f"voice-{key.hexdigest()[:24]}", VoiceFrontEnd(recipe)
    found: list[npt.NDArray[np.float16]] = []
    for variant in range(1 + variants):
        kept = None if cache is None else cache / f"{name}-{variant}.npy"
        if kept is not None and kept.is_file():
            found.append(np.load(kept))
            continue
        found.append(
            _measured(front, clips, variant, seed, partial(tell, f"measure {variant + 1}/{1 + variants}"))
        )
        if kept is not None:
            kept.parent.mkdir(parents=True, exist_ok=True)
            draft = kept.with_suffix(f".{os.getpid()}.npy")
            np.save(draft, found[-1])
            draft.replace(kept)
    return np.array(found).astype(np.float32)


def _measured(
    front: VoiceFrontEnd, clips: Sequence[Clip], variant: int, seed: int, tell: Callable[[int, int], None]
) -> npt.NDArray[np.float16]:
    """One variant (n, width) of all clips; variant 0 is the clips as they come over the line."""
    rng = np.random.default_rng(198 + seed + variant)
    others = [c.samples for c in clips if c.split == "train"]
    rows: list[npt.NDArray[np.float16]] = []
    for clip in clips:
        samples = augment(clip.samples, others, rng) if variant else on_line(clip.samples)
        rows.append(front(samples).astype(np.float16))
        tell(len(rows), len(clips))
    return np.array(rows).reshape(len(clips), -1)
