"""Trains the speech models: from labelled clips to a model folder with its card."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card, checksum
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.emotion.speech import SpeechClassifier
from emocx_pbx.errors import InputError
from emocx_pbx.training import plots
from emocx_pbx.training.base import KERAS
from emocx_pbx.training.figures import calibrate
from emocx_pbx.training.speech import cnn, mlp, networks, voice
from emocx_pbx.training.speech.card import write_card_text
from emocx_pbx.training.speech.data import Clip, balance, labels_of, licence_of, read_clips
from emocx_pbx.training.speech.evaluate import predict, summary
from emocx_pbx.training.speech.failures import misread_speakers, worst_clips
from emocx_pbx.training.speech.networks import Fit

Floats = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]

MODELS: Final = ("mlp", "cnn", "voice")


def find_clips(data: Path) -> Path:
    """The clips.csv of a data folder: DATA itself, DATA/clips.csv or DATA/speech/clips.csv."""
    for path in (data, data / "clips.csv", data / "speech" / "clips.csv"):
        if path.is_file():
            return path
    raise InputError(f"{data}: no clips.csv here or in its folder speech/")


def train_speech(
    model: str,
    data: Path,
    out: Path,
    seed: int = 1,
    base: Path | None = None,
    progress: Progress | None = None,
    cache: Path | None = None,
    fit: Fit | None = None,
    variants: int | None = None,
) -> Path:
    """Train `mlp`, `cnn` or `voice` on DATA's clips; returns the new model's folder.

    The folder is OUT/speech/<model>/<next version>, the layout that `--models` takes. Speakers of the split
    train are learnt from, those of dev choose temperature and threshold, and those of test are only reported
    in the card. With `base` (a model folder) that model's weights are tuned further on the new clips, instead
    of starting afresh. `cache` keeps measured clips for a second run. Raises InputError or ModelError.
    """
    if model not in MODELS:
        raise InputError(f"no speech model {model!r}; there are: {', '.join(MODELS)}")
    tell = progress or (lambda stage, done, total: None)
    source = find_clips(data)
    clips = with_dev(list(read_clips(source, progress=lambda d, n: tell("read", d, n)).clips))
    if model == "voice":
        fits = voice.FITS if fit is None else (fit,)
        copies = voice.VARIANTS if variants is None else variants
        return voice.train_voice(clips, out, seed, base, tell, cache, fits, copies)
    train = [c for c in clips if c.split == "train"]
    dev = [c for c in clips if c.split == "dev"]
    front, learn = ("log_mel", cnn.train_cnn) if model == "cnn" else ("windows180", mlp.train_mlp)
    network, logits, curves = learn(train, dev, balance(train), seed, base, tell, fit, variants, cache)
    shape: tuple[int, ...] = network.input_shape[1:]
    return finish(model, network, shape, {"front": front}, clips, logits, dev, curves, out, seed, tell)


def with_dev(clips: list[Clip]) -> list[Clip]:
    """The clips, with every fifth training speaker moved to dev where no clip is in dev."""
    if not any(c.split == "train" for c in clips):
        raise InputError("no clips of split train to learn from")
    if any(c.split == "dev" for c in clips):
        return clips
    voices = sorted({c.voice for c in clips if c.split == "train"})
    if len(voices) < 2:
        raise InputError("clips of at least two speakers are needed, to keep one apart as dev")
    held = set(voices[:: max(2, min(5, len(voices)))])
    moved = [(c, "dev" if c.split == "train" and c.voice in held else c.split) for c in clips]
    return [Clip(c.corpus, c.speaker, s, c.label, c.source, c.samples) for c, s in moved]


def finish(
    model: str,
    network: Any,
    shape: tuple[int, ...],
    recipe: dict[str, Any],
    clips: list[Clip],
    dev_logits: Floats,
    dev: list[Clip],
    curves: list[list[float]],
    out: Path,
    seed: int,
    tell: Progress,
) -> Path:
    """Export, calibrate on dev, report on test, and write the card and its pictures."""
    version = str(max([int(v) for v in Registry(out).versions("speech", model)], default=0) + 1)
    folder = out / "speech" / model / version
    networks.save(network, folder, shape, eight_bits=True)
    calibration = calibrate(labels_of(dev), dev_logits)
    counts = {s: sum(c.split == s for c in clips) for s in ("train", "dev", "test")}
    card = Card(
        kind="speech",
        name=model,
        version=version,
        labels=tuple(str(label) for label in LABELS),
        threshold=calibration.threshold,
        temperature=calibration.temperature,
        recipe=recipe,
        sha256={"model.tflite": checksum(folder / "model.tflite")},
        tuning={KERAS: checksum(folder / KERAS)},
        data={
            "corpora": sorted({c.corpus for c in clips}),
            "clips": counts,
            "seed": seed,
            "protocol": "speaker-disjoint train/dev/test; 8 kHz G.711 mu-law; dev chooses, test reports",
        },
        licence=licence_of(clips),
    )
    classifier = SpeechClassifier(ModelFolder(folder, card))
    figures: dict[str, Any] = {}
    for split in ("dev", "test"):
        chosen = [c for c in clips if c.split == split]
        if not chosen:
            continue
        p, seconds = predict(classifier, chosen, lambda d, n, s=split: tell(s, d, n))  # type: ignore[misc]
        figures[split] = summary(chosen, p, seconds, card.threshold)
        if split == "test":
            figures |= {"misread": misread_speakers(chosen, p), "worst": worst_clips(chosen, p)}
            plots.pictures(folder, labels_of(chosen), p, curves)
    card = Card(**{**{k: getattr(card, k) for k in card.__slots__}, "figures": figures})
    card.write(folder)
    write_card_text(folder, card)
    return folder
