"""Fine-tunes a text model on a site's own labelled messages."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card, checksum
from emocx_pbx.emotion.language import LanguageDetector
from emocx_pbx.emotion.meaning import MeaningEncoder, installed
from emocx_pbx.emotion.registry import ModelFolder
from emocx_pbx.emotion.second_voice import plan_of, read_head
from emocx_pbx.emotion.text import read_vocabulary
from emocx_pbx.emotion.text_clean import said, words
from emocx_pbx.errors import InputError
from emocx_pbx.training.base import keras_file
from emocx_pbx.training.text.data import LabelledTexts, read_texts, splits_of
from emocx_pbx.training.text.evaluate import evaluate_classifier, parts_of, softmax
from emocx_pbx.training.text.fitting import TextPlan, finish, run_epochs, served_from
from emocx_pbx.training.text.head import fit_head, vectors_of
from emocx_pbx.training.text.service_language import generate

FloatArray = npt.NDArray[np.float32]

#: Fewer messages than this say nothing: fine-tuning is refused.
LEAST_MESSAGES = 40

#: Messages to choose by from which biases and temperature are chosen: fewer would follow chance.
LEAST_TO_CHOOSE = 100

#: Generated messages on which the model is held to what it said before, against forgetting.
_REHEARSED = 3000
#: Messages in another language that a model must have learnt from to answer it at all.
_LEAST_OF_A_LANGUAGE = 100


def fine_tune(
    csv: Path, out: Path, seed: int, base: ModelFolder, plan: TextPlan, say: Callable[[str], None]
) -> Card:
    """A new version of `base`, trained on the messages in `csv` (columns text, label; perhaps split).

    Rows of the split train are learnt from, those of dev choose biases and temperature (if there are at least
    LEAST_TO_CHOOSE, else those of `base` stay), and those of test are only reported, for old and new. Without
    a column split the messages are divided by a hash of their words. Raises InputError for too few.
    """
    import keras

    from emocx_pbx.training.text.network import logits_of

    learned, dev, test = messages_of(csv)
    keras.utils.set_random_seed(seed)
    vocabulary = read_vocabulary(base.path, base.card.recipe)
    length = int(base.card.recipe["length"])
    model: Any = keras.models.load_model(keras_file(base.path), compile=False)
    rehearsed = [message.text for message in generate(min(_REHEARSED, plan.service), seed)]
    ids = [vocabulary.encode(words(text))[0] for text in rehearsed]
    kept = LabelledTexts(tuple(rehearsed), softmax(logits_of(model, ids, length)))
    counts = np.bincount(learned.labels, minlength=len(LABELS))
    per_class = np.sqrt(counts.mean() / np.maximum(counts, 1))
    # The site's messages weigh as much as the rehearsed ones together, but none more than threefold.
    share = min(3.0, len(kept) / len(learned))
    weights = np.concatenate([share * per_class[learned.labels], np.full(len(kept), 0.5)])
    plan = replace(plan, rate=plan.rate / 5, length=length)
    say(f"{len(learned)} messages to learn from, {len(dev)} to choose by, {len(test)} held out")
    lesson, chosen = learned.joined(kept), weights.astype(np.float32)
    curves = run_epochs(model, lesson, chosen, vocabulary, plan, seed, dev if len(dev) else test, say)
    _teach_head(base, out, learned, weights[: len(learned)], rehearsed)
    before = served_from(base.path, base.card)
    card = replace(
        base.card,
        name=out.parent.name,
        version=out.name,
        recipe={**base.card.recipe, "base": base.card.title, "seed": seed},
        data={
            **base.card.data,
            "site": f"{len(learned)} messages of this site",
            "site_sha256": checksum(csv),
        },
        figures={},
        languages=tuple(sorted({*base.card.languages, *_languages_of(learned)})),
    )
    choosing = dev if len(dev) >= LEAST_TO_CHOOSE else None
    card = finish(model, vocabulary, card, choosing, {"held_out": test}, out, curves)
    card = replace(card, figures={**card.figures, "base_held_out": evaluate_classifier(before, test)})
    card.write(out)
    return card


def _teach_head(
    base: ModelFolder, out: Path, learned: LabelledTexts, weights: FloatArray, rehearsed: Sequence[str]
) -> None:
    """The base's head, where it has one, taught by the same messages and held to what it said before."""
    if plan_of(base.card.recipe) is None:
        return
    head = read_head(base.path)
    if installed():
        encoder = MeaningEncoder()
        kept = vectors_of(encoder, rehearsed)
        head = fit_head(
            np.concatenate([vectors_of(encoder, learned.texts), kept]),
            np.concatenate([learned.targets, softmax(head.logits(kept))]),
            np.concatenate([weights, np.full(len(kept), 0.5)]).astype(np.float32),
            start=head,
        )
    out.mkdir(parents=True, exist_ok=True)
    head.write(out)


def _languages_of(learned: LabelledTexts) -> list[str]:
    """Languages in which there are enough messages to learn them from."""
    detector = LanguageDetector()
    counts = Counter(detector.detect(said(text)) for text in learned.texts)
    return [language for language, count in counts.items() if language and count >= _LEAST_OF_A_LANGUAGE]


def messages_of(csv: Path) -> tuple[LabelledTexts, LabelledTexts, LabelledTexts]:
    """A site's messages to learn from, to choose by (perhaps none) and to hold out.

    Raises InputError when there are too few.
    """
    named = splits_of(csv)
    if {"train", "test"} <= named:
        none = LabelledTexts((), np.zeros((0, len(LABELS)), np.float32))
        learned, test = read_texts(csv, "train"), read_texts(csv, "test")
        dev = read_texts(csv, "dev") if "dev" in named else none
    elif named - {""}:
        found = ", ".join(sorted(named - {""}))
        raise InputError(f"{csv}: expected the splits train and test, found {found}")
    else:
        learned, dev, test = parts_of(read_texts(csv))
    count = len(learned) + len(dev) + len(test)
    if count < LEAST_MESSAGES or not len(learned) or not len(test):
        raise InputError(f"{csv}: expected at least {LEAST_MESSAGES} messages, found {count}")
    return learned, dev, test
