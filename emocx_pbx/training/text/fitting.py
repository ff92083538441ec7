"""What every way of training the text model shares: its plan, its epochs, and the folder it ends in."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card, checksum, read_card
from emocx_pbx.emotion.language import LanguageDetector
from emocx_pbx.emotion.meaning import MeaningEncoder, installed
from emocx_pbx.emotion.second_voice import HEAD, SecondVoice, plan_of, read_head
from emocx_pbx.emotion.text import TextClassifier, TextReader, read_vocabulary
from emocx_pbx.emotion.text_clean import Vocabulary, words
from emocx_pbx.training.base import KERAS
from emocx_pbx.training.text import data as data_of
from emocx_pbx.training.text.data import LabelledTexts
from emocx_pbx.training.text.evaluate import (
    best_bias,
    best_temperature,
    best_threshold,
    bias_within,
    evaluate_classifier,
    log_loss,
    measure,
    served_probabilities,
    softmax,
)
from emocx_pbx.training.text.upset import upset_figures

FloatArray = npt.NDArray[np.float32]
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class TextPlan:
    """Numbers that shape the training; they go into the card."""

    epochs: int = 5
    batch: int = 128
    rate: float = 2e-3
    units: int = 96
    embedding: int = 64
    vocabulary: int = 10_000
    dropout: float = 0.3
    length: int = 48
    """Word pieces in one window."""
    windows: int = 4
    """Most windows of a long text."""
    service: int = 14_000
    """Generated service-desk messages."""
    taught: int = 7_000
    """How many of these the teacher learns from."""
    varied: int = 45_000
    """Texts cut and joined from comments, labelled by the teacher alone."""
    trust: float = 0.7
    """Share of the teacher's probabilities in the targets of labelled comments; the rest is the label."""
    service_trust: float = 0.3
    """The same for service messages, of which the teacher has seen fewer."""
    comments: int = 0
    """Labelled comments that a model trained further rehearses on, drawn by the seed; 0: all."""
    lesson: float = 1.3
    """Weight of a real message to a company; that of a generated one is 0.5."""
    openings: int = 0
    """Real queries to service desks, taught as first messages that are no alarm; problems mostly neutral."""
    threads: int = 1


#: How a trained model is trained further: real messages to companies beside comments and generated messages.
REFINING = TextPlan(epochs=3, rate=1e-3, service=6_000, varied=0, trust=0.7, comments=13_000, openings=3_000)


def use_threads(count: int) -> None:
    """Have TensorFlow compute with this many threads; if it has run before, their number is settled and
    stays.
    """
    import tensorflow as tf

    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_intra_op_parallelism_threads(count)


def card_of(out: Path, plan: TextPlan, seed: int) -> Card:
    """The card of a model that is trained on the public sets, still without checksums and figures."""
    return Card(
        kind="text",
        name=out.parent.name,
        version=out.name,
        labels=tuple(map(str, LABELS)),
        recipe={**asdict(plan), "vocabulary": "vocabulary.txt", "seed": seed},
        data={
            "goemotions4": "GoEmotions, CC BY 4.0 / Apache-2.0; official splits mapped to four classes",
            "service": "messages put together from hand-written phrases and from training queries of "
            "banking77 (CC BY 4.0) and CLINC150 (CC BY 3.0); weak labels, training only",
            "companies": "tweets to and about companies and banks (X-CI and X-FINCORP, MIT), training parts; "
            "severity-aware targets",
            "teacher": "all-MiniLM-L6-v2 (Apache-2.0), fine-tuned on the same texts; not shipped",
        },
        licence="Apache-2.0; trained on data under CC BY 4.0, CC BY 3.0 and Apache-2.0 (attribution)",
    )


def run_epochs(
    model: Any,
    train: LabelledTexts,
    weights: FloatArray,
    vocabulary: Vocabulary,
    plan: TextPlan,
    seed: int,
    dev: LabelledTexts,
    say: Report,
) -> list[list[float]]:
    """Train `model` in place; its weights end as the mean of its last three epochs.

    Returns two curves over epochs: mean training loss, and log loss on dev.
    """
    import keras

    from emocx_pbx.training.text.network import batches, logits_of

    chance, rng = random.Random(seed), np.random.default_rng(seed)
    clean = [words(text) for text in train.texts]
    steps = plan.epochs * -(-len(train) // plan.batch)
    schedule = keras.optimizers.schedules.CosineDecay(
        plan.rate / 10, steps, alpha=0.02, warmup_target=plan.rate, warmup_steps=max(1, steps // 12)
    )
    model.compile(
        keras.optimizers.AdamW(schedule, weight_decay=1e-3, clipnorm=1.0),
        keras.losses.CategoricalCrossentropy(from_logits=True),
    )
    dev_ids = [vocabulary.encode(words(text))[0] for text in dev.texts]
    latest: list[list[FloatArray]] = []
    curves: list[list[float]] = [[], []]
    for epoch in range(plan.epochs):
        ids = []
        for text, found in zip(train.texts, clean, strict=True):
            rough = data_of.roughen(text, chance)
            ids.append(vocabulary.encode(found if rough is text else words(rough))[0])
        losses = []
        for rows, block in batches(ids, plan.length, plan.batch, rng):
            # One piece in twelve is hidden, so that no single word decides.
            hidden = (rng.random(block.shape) < 0.08) & (block > 0)
            block = np.where(hidden, np.float32(1), block)
            # A text that roughening left without a word says nothing, and its loss would drown the others'.
            counted = weights[rows] * block.any(axis=1)
            losses.append(model.train_on_batch(block, train.targets[rows], sample_weight=counted))
        guesses = softmax(logits_of(model, dev_ids, plan.length))
        figures = measure(guesses, dev.labels, 0.0)
        curves[0].append(float(np.mean(losses)))
        curves[1].append(log_loss(guesses, dev.labels))
        say(f"epoch {epoch + 1}: loss {curves[0][-1]:.3f}, dev macro-F1 {figures['macro_f1']:.4f}")
        latest = [*latest[-2:], model.get_weights()]
    # The mean of the last epochs' weights, always: picking the epoch that is best on dev follows
    # dev's noise (about 0.01) and can return half-trained weights (Izmailov et al., 2018).
    model.set_weights([np.mean(same, axis=0) for same in zip(*latest, strict=True)])
    figures = measure(softmax(logits_of(model, dev_ids, plan.length)), dev.labels, 0.0)
    say(f"mean of the last {len(latest)} epochs: dev macro-F1 {figures['macro_f1']:.4f}")
    return curves


def finish(
    model: Any,
    vocabulary: Vocabulary,
    card: Card,
    dev: LabelledTexts | None,
    held_out: Mapping[str, LabelledTexts],
    out: Path,
    curves: Sequence[Sequence[float]],
    beside: LabelledTexts | None = None,
    floor: float = 1.0,
    alone_too: Sequence[str] = (),
) -> Card:
    """Write the folder: networks, vocabulary, pictures, and the card with its figures.

    A head that the card's recipe names lies in the folder already. Temperature and threshold come from dev,
    class biases from dev alone or, where dev's macro-F1
    stays at or over `floor`, from what is best for `beside`; without dev those of `card` stay. The
    figures come from the files as served, of the sets `alone_too` also without the head. The pictures
    show the first set held out.
    """
    from emocx_pbx.training.text.card import write_text_card
    from emocx_pbx.training.text.network import export, logits_of

    out.mkdir(parents=True, exist_ok=True)
    (out / "vocabulary.txt").write_text("\n".join(vocabulary.pieces) + "\n", encoding="utf-8")
    length = int(card.recipe["length"])
    sets = [
        (logits_of(model, [vocabulary.encode(words(text))[0] for text in texts.texts], length), texts.labels)
        for texts in (dev, beside)
        if texts is not None
    ]
    temperature, threshold = card.temperature, card.threshold
    if dev is not None:
        bias = bias_within(sets[0], sets[1], floor) if beside is not None else best_bias(*sets[0])
        last = model.get_layer("logits")
        kernel, before = last.get_weights()
        last.set_weights([kernel, before + bias])
        logits, labels = sets[0]
        temperature = best_temperature(logits + bias, labels)
        threshold = best_threshold(softmax(logits + bias, temperature))
    export(model, length, out)
    files = ["model.tflite", "vocabulary.txt"]
    if plan_of(card.recipe) is not None:
        files.append(HEAD)
    card = replace(
        card,
        temperature=temperature,
        threshold=threshold,
        sha256={name: checksum(out / name) for name in files},
        tuning={KERAS: checksum(out / KERAS)},
    )
    served, alone = served_from(out, card), served_from(out, card, alone=True)
    said = {name: served_probabilities(served, texts) for name, texts in held_out.items()}
    measured = [(name, served, held_out[name], said[name]) for name in held_out]
    for name in alone_too:
        texts = held_out[name]
        measured.append((f"{name}, network alone", alone, texts, served_probabilities(alone, texts)))
    figures = {
        name: {
            **evaluate_classifier(reader, texts, found),
            "upset": upset_figures(texts.labels, found[0]),
        }
        for name, reader, texts, found in measured
    }
    card = replace(card, figures={**figures, **card.figures})
    card.write(out)
    shown = next(iter(held_out))
    write_text_card(out, card, held_out[shown], said[shown][0], curves, shown)
    return read_card(out)


def served_from(folder: Path, card: Card, *, alone: bool = False) -> TextReader:
    """The model in a folder as it is served, with a card that may not be written yet; `alone`: without its
    head.
    """
    from emocx_pbx.emotion.engines import LiteRtEngine

    network = LiteRtEngine(folder / "model.tflite")
    classifier = TextClassifier(card, read_vocabulary(folder, card.recipe), network)
    plan = None if alone else plan_of(card.recipe)
    second = SecondVoice(plan, read_head(folder), MeaningEncoder()) if plan and installed() else None
    return TextReader(classifier, LanguageDetector(), second)
