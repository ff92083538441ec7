"""Trains a text model further on the public sets: widened service language, and what it knew before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.registry import ModelFolder
from emocx_pbx.emotion.text import read_vocabulary
from emocx_pbx.emotion.text_clean import words
from emocx_pbx.training.figures import macro_f1
from emocx_pbx.training.text import data as data_of
from emocx_pbx.training.text.data import Texts
from emocx_pbx.training.text.evaluate import best_bias, bias_within, softmax
from emocx_pbx.training.text.fitting import TextPlan, card_of, finish, run_epochs
from emocx_pbx.training.text.network import logits_of
from emocx_pbx.training.text.service_language import generate

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

#: Shares of the new weights tried, how much macro-F1 on dev the service language may cost, and what
#: difference between two shares is chance.
SHARES: Final = (1.0, 0.8, 0.6, 0.4)
FORGOTTEN: Final = 0.0105
ALIKE: Final = 0.005


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
    that, beside the comments' dev split, chooses class biases. Raises InputError.
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
        [per_class[train.labels], np.full(len(service), 0.7), np.full(len(extra), 0.6)]
    ).astype(np.float32)
    everything = Texts((*train.texts, *service.texts, *extra), targets)
    before = model.get_weights()
    curves = run_epochs(model, everything, weights, vocabulary, plan, seed, dev, say)
    beside = None if messages is None else data_of.read_texts(messages)
    encoded = [[vocabulary.encode(words(t))[0] for t in texts.texts] for texts in (dev, beside) if texts]
    found = _mix(
        model,
        before,
        lambda: [logits_of(model, ids, plan.length) for ids in encoded],
        [texts.labels for texts in (dev, beside) if texts],
        say,
    )
    card = card_of(out, plan, seed)
    card = replace(card, recipe={**card.recipe, "base": base.card.title, "share_of_new_weights": found.share})
    held_out: Mapping[str, Texts] = {"test": data_of.goemotions4(data, "test"), "dev": dev}
    return finish(model, vocabulary, card, dev, held_out, out, curves, beside, found.floor)


@dataclass(frozen=True, slots=True)
class _Mix:
    share: float
    """Of the new weights, in the mean with the old."""
    floor: float
    """Macro-F1 on dev under which nothing is taken."""


def _mix(
    model: Any,
    before: list[Any],
    logits: Callable[[], list[FloatArray]],
    labels: list[IntArray],
    say: Callable[[str], None],
) -> _Mix:
    """Set `model` to the mean of its weights before and after that has learned most and forgotten little.

    Weights before and after a short further training can be averaged, and the mean keeps most of both
    (Wortsman et al., 2022). Of the shares whose dev macro-F1 can be at the floor or over, the best for
    the messages beside dev is taken; of about equal ones (or without messages) the greatest.
    """
    after = model.get_weights()

    def set_share(share: float) -> list[FloatArray]:
        model.set_weights([(1 - share) * old + share * new for old, new in zip(before, after, strict=True)])
        return logits()

    def best_on_dev(found: FloatArray) -> float:
        return macro_f1(labels[0], (found + best_bias(found, labels[0])).argmax(axis=1))

    floor = best_on_dev(set_share(0.0)[0]) - FORGOTTEN
    scores: dict[float, float] = {}
    for share in SHARES:
        found = set_share(share)
        on_dev = best_on_dev(found[0])
        if on_dev >= floor:
            scores[share] = on_dev
            if len(found) > 1:
                bias = bias_within((found[0], labels[0]), (found[1], labels[1]), floor)
                scores[share] = macro_f1(labels[1], (found[1] + bias).argmax(axis=1))
        say(f"{share:.0%} of the new weights: dev {on_dev:.4f}, floor {floor:.4f}, {scores.get(share)}")
    good = [share for share in scores if scores[share] >= max(scores.values()) - ALIKE]
    share = max(good, default=min(SHARES))
    set_share(share)
    return _Mix(share, floor)
