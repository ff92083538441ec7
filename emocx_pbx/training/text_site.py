"""Fine-tunes a text model on a site's own labelled messages."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.engines import LiteRtEngine
from emocx_pbx.emotion.registry import ModelFolder
from emocx_pbx.emotion.text import TextClassifier, read_vocabulary
from emocx_pbx.emotion.text_clean import words
from emocx_pbx.errors import InputError
from emocx_pbx.training.evaluate_text import evaluate_classifier, softmax
from emocx_pbx.training.service_language import generate
from emocx_pbx.training.text_data import Texts, read_texts

if TYPE_CHECKING:
    from emocx_pbx.training.text import TextPlan

#: Fewer messages than this say nothing: fine-tuning is refused.
LEAST_MESSAGES = 40

#: Generated messages on which the model is held to what it said before, against forgetting.
_REHEARSED = 3000


def fine_tune(
    csv: Path, out: Path, seed: int, base: ModelFolder, plan: TextPlan, say: Callable[[str], None]
) -> Card:
    """A new version of `base` taught by the messages in `csv` (columns text, label).

    Every fifth message (by a hash of its words, so always the same ones) is held out; the card's
    figures compare the old model and the new on them. Raises InputError for too few messages.
    """
    import keras

    from emocx_pbx.training.text import finish, run_epochs
    from emocx_pbx.training.text_network import logits_of

    learned, held_out = split(read_texts(csv))
    if len(learned) + len(held_out) < LEAST_MESSAGES or not len(held_out):
        raise InputError(f"{csv}: expected at least {LEAST_MESSAGES} messages, found {len(learned)}")
    keras.utils.set_random_seed(seed)
    vocabulary = read_vocabulary(base.path, base.card.recipe)
    length = int(base.card.recipe["length"])
    model: Any = keras.models.load_model(base.path / "model.keras", compile=False)
    rehearsed = [message.text for message in generate(min(_REHEARSED, plan.service), seed)]
    ids = [vocabulary.encode(words(text))[0] for text in rehearsed]
    kept = Texts(tuple(rehearsed), softmax(logits_of(model, ids, length)))
    counts = np.bincount(learned.labels, minlength=len(LABELS))
    per_class = np.sqrt(counts.mean() / np.maximum(counts, 1))
    # The site's messages weigh as much as the rehearsed ones together, but none more than threefold.
    share = min(3.0, len(kept) / len(learned))
    weights = np.concatenate([share * per_class[learned.labels], np.full(len(kept), 0.5)])
    plan = replace(plan, rate=plan.rate / 5, length=length)
    say(f"{len(learned)} messages to learn from, {len(held_out)} held out")
    curves = run_epochs(
        model, learned.joined(kept), weights.astype(np.float32), vocabulary, plan, seed, held_out, say
    )
    before = TextClassifier(base.card, vocabulary, LiteRtEngine(base.path / "model.tflite"))
    card = replace(
        base.card,
        name=out.parent.name,
        version=out.name,
        recipe={**base.card.recipe, "base": base.card.title, "seed": seed},
        data={**base.card.data, "site": f"{len(learned)} messages of this site"},
    )
    old = evaluate_classifier(before, held_out)
    card = finish(model, vocabulary, card, held_out, {"held_out": held_out}, out, curves)
    card = replace(card, figures={**card.figures, "base_held_out": old})
    card.write(out)
    return card


def split(texts: Texts) -> tuple[Texts, Texts]:
    """Texts to learn from and, one in five, to hold out; equal messages fall on the same side."""
    digests = [hashlib.sha256(" ".join(words(text)).encode()).digest()[0] for text in texts.texts]
    held = np.array([digest % 5 == 0 for digest in digests])
    return _taken(texts, ~held), _taken(texts, held)


def is_worse(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether figures `new` speak against promoting: a lower UAR on the same held-out messages."""
    return bool(new["uar"] < old["uar"])


def _taken(texts: Texts, mask: Any) -> Texts:
    rows = np.flatnonzero(mask)
    return Texts(tuple(texts.texts[i] for i in rows), texts.targets[rows])
