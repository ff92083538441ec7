"""Trains a text model further on the public sets: widened service language, and what it knew before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.registry import ModelFolder
from emocx_pbx.emotion.text import read_vocabulary
from emocx_pbx.emotion.text_clean import words
from emocx_pbx.training import text_data as data_of
from emocx_pbx.training.evaluate_text import softmax
from emocx_pbx.training.service_language import generate
from emocx_pbx.training.text import TextPlan, card_of, finish, run_epochs
from emocx_pbx.training.text_data import Texts
from emocx_pbx.training.text_network import logits_of


def refine(
    data: Path,
    out: Path,
    seed: int,
    base: ModelFolder,
    plan: TextPlan,
    say: Callable[[str], None],
    messages: Path | None = None,
) -> Card:
    """A new version of `base`: the comments as rehearsal, the service messages as the lesson.

    The comments' targets mix their labels with what `base` says of them (as its teacher taught it),
    so that little is forgotten. `messages` is a CSV of hand-labelled service messages (text, label)
    that, beside the comments' dev split, chooses class biases and temperature. Raises InputError.
    """
    import keras
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(plan.threads)
    keras.utils.set_random_seed(seed)
    vocabulary = read_vocabulary(base.path, base.card.recipe)
    plan = replace(plan, length=int(base.card.recipe["length"]), windows=int(base.card.recipe["windows"]))
    model: Any = keras.models.load_model(base.path / "model.keras", compile=False)
    train, dev = data_of.goemotions4(data, "train"), data_of.goemotions4(data, "dev")
    queries = data_of.service_queries(data)
    written = generate(plan.service, seed, queries)
    service = Texts(tuple(m.text for m in written), np.array([m.label for m in written], np.float32))
    extra = data_of.unlabelled(data, train.texts + dev.texts) + data_of.vary(train, plan.varied, seed)

    def believed(texts: tuple[str, ...]) -> Any:
        ids = [vocabulary.encode(words(text))[0] for text in texts]
        return softmax(logits_of(model, ids, plan.length), base.card.temperature)

    say(f"{len(train)} labelled comments, {len(service)} service messages, {len(extra)} without a label")
    targets = np.concatenate(
        [
            (1 - plan.trust) * train.targets + plan.trust * believed(train.texts),
            service.targets,
            believed(tuple(extra)) if extra else np.zeros((0, len(LABELS)), np.float32),
        ]
    ).astype(np.float32)
    counts = np.bincount(train.labels, minlength=len(LABELS))
    per_class = np.sqrt(counts.mean() / np.maximum(counts, 1))
    weights = np.concatenate(
        [per_class[train.labels], np.full(len(service), 0.9), np.full(len(extra), 0.6)]
    ).astype(np.float32)
    everything = Texts((*train.texts, *service.texts, *extra), targets)
    curves = run_epochs(model, everything, weights, vocabulary, plan, seed, dev, say)
    card = card_of(out, plan, seed)
    card = replace(card, recipe={**card.recipe, "base": base.card.title})
    held_out: Mapping[str, Texts] = {"test": data_of.goemotions4(data, "test"), "dev": dev}
    beside = None if messages is None else data_of.read_texts(messages)
    return finish(model, vocabulary, card, dev, held_out, out, curves, beside)
