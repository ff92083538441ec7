"""Signals of emotion in a customer's words: the text model behind one method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import Emotion, Scores
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.engines import LiteRtEngine
from emocx_pbx.emotion.language import LanguageDetector
from emocx_pbx.emotion.meaning import MeaningEncoder, installed
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.second_voice import SecondVoice, plan_of, read_head, upset_of
from emocx_pbx.emotion.text_clean import PAD, SIGNALS, UNKNOWN, Vocabulary, said, windows, words
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: What is answered when there is nothing to go by: near uniform, so that it reads as "uncertain", and no more
#: upset than customers are on average, so that nobody is called upset for it.
KNOWS_NOTHING: Final = (0.17, 0.37, 0.17, 0.29)


#: Share of P(upset) that anger or disappointment needs to be said: on dev sets the likelier of the two was
#: right six times in ten under it, nine times in ten over it.
SURE_OF_KIND: Final = 0.7


@dataclass(frozen=True, slots=True)
class TextReading:
    """What is found in a query's words."""

    scores: Scores
    """Near uniform, so "uncertain", for a text in a language that the model does not know."""
    language: str | None = None
    """ISO 639-1; None where it is not sure."""
    foreign: bool = False
    """Whether it is in a language that the model does not know: surely in another, or in words it knows
    none of."""


class TextClassifier:
    """A text model, ready to use. Not for use by several threads at once."""

    def __init__(
        self, card: Card, vocabulary: Vocabulary, network: Callable[[FloatArray], FloatArray]
    ) -> None:
        self.card = card
        self.name = card.title
        self._vocabulary = vocabulary
        self._network = network
        self._length = int(card.recipe["length"])
        self._most = int(card.recipe["windows"])
        self._upset = upset_of(card.recipe.get("upset"))

    def classify(self, text: str) -> Scores:
        """Probabilities of the classes for any text.

        A text without words, or mostly of words that the vocabulary can't spell (other scripts),
        gives near uniform scores: "uncertain" at any sensible threshold. A text longer than the
        model's windows is sampled evenly; cost is bounded.
        """
        return self.scored(*self.hear(text))

    def scored(self, probabilities: FloatArray, trust: float) -> Scores:
        """What `hear` found, calibrated."""
        return doubted(self._upset.calibrated(probabilities.tolist()), trust, self.card.threshold)

    def hear(self, text: str) -> tuple[FloatArray, float]:
        """Probabilities (4,) as the network gives them, and how far its words are known, 0 to 1."""
        ids, known = self._vocabulary.encode(words(text))
        if not ids or known == 0.0:
            return np.asarray(KNOWS_NOTHING, np.float32), 0.0
        cut = windows(ids, self._length, self._most)
        # (windows, length)
        logits = np.mean([self._network(row[None])[0] for row in cut], axis=0) / self.card.temperature
        # (4,)
        odds = np.exp(logits - logits.max())
        # Under half known words, trust falls off in proportion.
        return np.asarray(odds / odds.sum(), np.float32), min(1.0, 2.0 * known)


def doubted(probabilities: Sequence[float], trust: float, threshold: float) -> Scores:
    """Scores of probabilities (4,) that are trusted so far, 0 to 1."""
    pairs = zip(probabilities, KNOWS_NOTHING, strict=True)
    return scores_of([trust * p + (1.0 - trust) * nothing for p, nothing in pairs], threshold)


def scores_of(probabilities: Sequence[float], threshold: float) -> Scores:
    """Scores of probabilities (4,); anger or disappointment is said only where it is sure which it is."""
    scores = Scores.of(probabilities, threshold)
    if scores.best in (Emotion.ANGRY, Emotion.DISAPPOINTED):
        return replace(scores, threshold=max(threshold, SURE_OF_KIND * scores.upset))
    return scores


class TextReader:
    """A text model, what tells languages, and the second voice, as served. For one thread at a time."""

    def __init__(
        self, classifier: TextClassifier, detector: LanguageDetector, second: SecondVoice | None = None
    ) -> None:
        self.card, self.name = classifier.card, classifier.name
        self._classifier, self._detector, self._second = classifier, detector, second

    @property
    def languages(self) -> tuple[str, ...]:
        """Those it answers in (ISO 639-1)."""
        more = self._second.plan.languages if self._second else ()
        return tuple(dict.fromkeys((*self.card.languages, *more)))

    def read(self, text: str) -> TextReading:
        """Scores and language of any text; nobody is asked about a language that is not served."""
        plain = said(text)
        language = self._detector.detect(plain)
        second = self._second
        if language is not None and language not in self.card.languages:
            if second is None or language not in second.plan.languages:
                return TextReading(Scores.of(KNOWS_NOTHING, self.card.threshold), language, foreign=True)
            alone = second.plan.upset_alone.calibrated(second.probabilities(text).tolist())
            return TextReading(scores_of(alone, second.plan.threshold_alone), language)
        first, trust = self._classifier.hear(text)
        if second is None:
            scores = self._classifier.scored(first, trust)
        else:
            plan, mixed = second.plan, first
            if trust > 0.0:
                mixed = (1 - plan.share) * first + plan.share * second.probabilities(text)
            scores = doubted(plan.upset.calibrated(mixed.tolist()), trust, plan.threshold)
        return TextReading(scores, language, foreign=language is None and trust == 0.0 and _says(plain))

    def classify(self, text: str) -> Scores:
        """The scores alone."""
        return self.read(text).scores


def _says(text: str) -> bool:
    """Whether there are two words or more, so that it is in some language."""
    return sum(any(c.isalpha() for c in word) for word in text.split()) >= 2


def load_reader(registry: Registry, spec: str) -> TextReader:
    """The text model `name` or `name/version` as it is served, warm.

    Its head is used where the package of its encoder is installed; else the network answers alone.
    Raises ModelError with a one-line reason when it, or what tells languages, can't be loaded.
    """
    folder = registry.find("text", spec)
    plan = plan_of(folder.card.recipe)
    second = None
    if plan is not None and installed():
        second = SecondVoice(plan, read_head(folder.path), MeaningEncoder())
    return TextReader(load_text(registry, spec), LanguageDetector(), second)


def load_text(registry: Registry, spec: str) -> TextClassifier:
    """The text model `name` or `name/version`, warm.

    Raises ModelError with a one-line reason when it is missing, damaged or lacks a part.
    """
    folder = registry.find("text", spec)
    vocabulary = read_vocabulary(folder.path, folder.card.recipe)
    length = folder.card.recipe.get("length")
    network = LiteRtEngine(folder.path / "model.tflite")
    if network.shape != (1, length):
        raise ModelError(f"{folder.path}: the network takes {network.shape}, the card says (1, {length})")
    return TextClassifier(folder.card, vocabulary, network)


def read_vocabulary(folder: Path, recipe: Mapping[str, Any]) -> Vocabulary:
    """The vocabulary file named by a text model's recipe: one piece a line, in order of ids.

    Raises ModelError when it can't be read or lacks a signal token.
    """
    path = folder / str(recipe.get("vocabulary", "vocabulary.txt"))
    try:
        pieces = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise ModelError(f"{path}: can't be read: {e}") from None
    if pieces[:2] != [PAD, UNKNOWN]:
        raise ModelError(f"{path}: expected {PAD} and {UNKNOWN} in the first two lines")
    missing = [signal for signal in SIGNALS if signal not in set(pieces)]
    if missing:
        raise ModelError(f"{path}: the token {missing[0]} is missing")
    return Vocabulary.of(pieces)
