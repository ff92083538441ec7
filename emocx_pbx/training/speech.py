"""Trains the speech models: from labelled clips to a model folder with its card."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion import voice
from emocx_pbx.emotion.card import Card, checksum
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.emotion.speech import CLASS_MEANS, SpeechClassifier, front_end
from emocx_pbx.errors import InputError, ModelError
from emocx_pbx.training import cnn, mlp, networks, plots
from emocx_pbx.training.augment import augment
from emocx_pbx.training.data import Clip, balance, labels_of, licence_of, on_line, read_clips
from emocx_pbx.training.evaluate import predict, summary
from emocx_pbx.training.figures import calibrate
from emocx_pbx.training.networks import Fit

Floats = npt.NDArray[np.float32]
Progress = Callable[[str, int, int], None]

MODELS: Final = ("mlp", "cnn", "voice")
#: Heads in the ensemble of `voice`.
HEADS: Final = 5
#: Readings without any offset that a caller's first readings are weighed against (chosen on dev).
PRIOR: Final = 24.0
#: Augmented variants of each training clip, beside the clip itself.
VARIANTS: Final = 3
FIT: Final = Fit(epochs=30, hidden=(256,), drop_in=0.2, drop=0.5, batch=64)


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

    The folder is OUT/speech/<model>/<next version>, the layout that `--models` takes. Speakers of
    split train teach, of dev choose temperature and threshold, of test are only reported in the card.
    With `base` (a model folder) that model's weights are tuned further on the new clips instead of
    starting anew. `cache` keeps measured clips for a second run. Raises InputError or ModelError.
    """
    if model not in MODELS:
        raise InputError(f"no speech model {model!r}; there are: {', '.join(MODELS)}")
    tell = progress or (lambda stage, done, total: None)
    source = find_clips(data)
    clips = with_dev(list(read_clips(source, progress=lambda d, n: tell("read", d, n)).clips))
    train = [c for c in clips if c.split == "train"]
    dev = [c for c in clips if c.split == "dev"]
    if model != "voice":
        front, learn = ("log_mel", cnn.train_cnn) if model == "cnn" else ("windows180", mlp.train_mlp)
        network, logits, curves = learn(train, dev, balance(train), seed, base, tell, fit, variants, cache)
        shape: tuple[int, ...] = network.input_shape[1:]
        return finish(model, network, shape, {"front": front}, clips, logits, dev, curves, out, seed, tell)
    recipe = voice.new_recipe()
    copies = VARIANTS if variants is None else variants
    x, x_dev = measured(recipe, train, dev, copies, seed, tell, cache)
    # (1 + variants, n, width), (m, width)
    chosen = fit or FIT
    y = np.eye(len(LABELS), dtype=np.float32)[labels_of(train)]
    network, curves = fit_heads(model, x, y, balance(train), chosen, seed, base, tell)
    logits = network.predict(x_dev, verbose=0)
    recipe = {**recipe, "adaptation": {"prior": PRIOR}}
    means = class_means(x[0], train)
    return finish(model, network, x.shape[2:], recipe, clips, logits, dev, curves, out, seed, tell, means)


def class_means(x: Floats, train: Sequence[Clip]) -> Floats:
    """Mean of x (n, width) of each class (4, width), every corpus alike."""
    corpus, label = np.array([c.corpus for c in train]), labels_of(train)
    rows = []
    for k in range(len(LABELS)):
        of = [x[(label == k) & (corpus == c)] for c in np.unique(corpus)]
        present = [found.mean(axis=0) for found in of if len(found)]
        rows.append(np.mean(present, axis=0) if present else x.mean(axis=0))
    return np.array(rows, np.float32)


def fit_heads(
    model: str,
    x: Floats,
    y: Floats,
    weights: Floats,
    fit: Fit,
    seed: int,
    base: Path | None,
    tell: Progress,
) -> tuple[Any, list[list[float]]]:
    """An ensemble on variants x (variants, n, width): one Keras model, and each head's loss curve."""
    import keras

    keras.utils.set_random_seed(seed)
    if base is None:
        front = networks.standardiser(x.reshape(-1, x.shape[2]))
        heads = [networks.head(x.shape[2], fit, f"head_{i}") for i in range(HEADS)]
    else:
        front, heads = open_base(base, model)
        fit = Fit(**{**{k: getattr(fit, k) for k in fit.__slots__}, "epochs": 15, "rate": fit.rate / 5})
    ready = np.stack([front.predict(v, batch_size=1024, verbose=0) for v in x])
    curves = []
    for i, one in enumerate(heads):
        tell("train", i, len(heads))
        # Every second head learns from the clips as they are: the two kinds err differently.
        seen = ready if i % 2 == 0 else ready[:1]
        curves.append(networks.train_head(one, seen, y, weights, fit, seed * 100 + i))
    tell("train", len(heads), len(heads))
    return networks.joined(front, heads, x.shape[2:]), curves


def open_base(base: Path, model: str) -> tuple[Any, list[Any]]:
    """Standardiser and heads of an earlier model; raises ModelError when it is of another kind."""
    import keras

    path = base / "model.keras"
    if not path.is_file() or base.parent.name != model:
        raise ModelError(f"{base}: no {model} model with a model.keras to start from")
    whole = keras.models.load_model(path)
    heads = [layer for layer in whole.layers if layer.name.startswith("head_")]
    return whole.get_layer("standardise"), heads


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


def measured(
    recipe: dict[str, Any],
    train: list[Clip],
    dev: list[Clip],
    variants: int,
    seed: int,
    tell: Progress,
    cache: Path | None,
) -> tuple[Floats, Floats]:
    """Front end's output of train clips, plain and augmented (1 + variants, n, w), and of dev (m, w)."""
    key = hashlib.sha256(json.dumps([recipe, variants, seed], sort_keys=True).encode())
    for clip in [*train, *dev]:
        key.update(clip.samples.tobytes())
    kept = None if cache is None else cache / f"{key.hexdigest()[:24]}.npz"
    if kept is not None and kept.is_file():
        with np.load(kept) as stored:
            return stored["train"], stored["dev"]
    front = front_end(recipe)
    others = [c.samples for c in train]
    total = len(train) * (1 + variants) + len(dev)
    rows: list[Floats] = []

    def note(row: Floats) -> None:
        rows.append(row)
        tell("measure", len(rows), total)

    for clip in [*dev, *train]:
        note(front(on_line(clip.samples)))
    for variant in range(variants):
        rng = np.random.default_rng(199 + seed + variant)
        for clip in train:
            note(front(augment(clip.samples, others, rng)))
    found = np.array(rows, np.float32)
    x_dev, x = found[: len(dev)], found[len(dev) :].reshape(1 + variants, len(train), -1)
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        draft = kept.with_suffix(f".{os.getpid()}.npz")
        np.savez(draft, train=x, dev=x_dev)
        draft.replace(kept)
    return x, x_dev


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
    means: Floats | None = None,
) -> Path:
    """Export, calibrate on dev, report on test, and write the card and its pictures."""
    version = str(max([int(v) for v in Registry(out).versions("speech", model)], default=0) + 1)
    folder = out / "speech" / model / version
    networks.save(network, folder, shape, eight_bits=model != "voice")
    files = ["model.keras", "model.tflite"]
    if means is not None:
        np.save(folder / CLASS_MEANS, means)
        files.append(CLASS_MEANS)
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
        sha256={n: checksum(folder / n) for n in files},
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
    worst: list[dict[str, Any]] = []
    for split in ("dev", "test"):
        chosen = [c for c in clips if c.split == split]
        if not chosen:
            continue
        p, seconds = predict(classifier, chosen, lambda d, n, s=split: tell(s, d, n))  # type: ignore[misc]
        figures[split] = summary(chosen, p, seconds, card.threshold)
        if split == "test":
            worst = plots.worst_clips(chosen, p)
            plots.pictures(folder, labels_of(chosen), p, curves)
    card = Card(**{**{k: getattr(card, k) for k in card.__slots__}, "figures": figures})
    card.write(folder)
    plots.write_card_text(folder, card, worst)
    return folder
