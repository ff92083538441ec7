"""Tells what a query is about, from a few example sentences of each of the policy's topics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion.text_clean import said
from emocx_pbx.errors import SettingsError
from emocx_pbx.routing.sentences import load_encoder

FloatArray = npt.NDArray[np.float32]

_MOST_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True)
class _Scale:
    """How one kind of sentence vector is weighed; fitted on CLINC150's validation split.

    Confidence is the logistic of `a` log p + `b` nearness + `c`: how likely the best topic is right
    for a query that may be about none of them (benchmarks/topics.py).
    """

    strictness: float
    """Inverse regularisation of the logistic regression."""
    letters: float
    """Weight of the words' and letters' own vectors beside those of meaning, for the regression."""
    nearness: float
    """Weight of the nearness to a topic's examples beside the regression."""
    a: float
    b: float
    c: float
    least: float
    """Confidence under which the answer is "none"."""


_MEANING: Final = _Scale(strictness=30, letters=0.8, nearness=12, a=2.66, b=7.78, c=-2.07, least=0.32)
_WORDS: Final = _Scale(strictness=10, letters=0.0, nearness=3, a=3.27, b=0.0, c=2.98, least=0.29)

#: Sharpness of nearness: between the mean over a topic's examples (0) and the nearest alone.
_SHARP: Final = 18.0


class TopicClassifier:
    """Topics learned from examples; made by `fit`. Not for use by several threads at once."""

    def __init__(
        self,
        names: Sequence[str],
        encode: Callable[[Sequence[str]], FloatArray],
        letters: Callable[[Sequence[str]], FloatArray] | None,
        scale: _Scale,
        regression: Any,
        examples: FloatArray,
        owners: npt.NDArray[np.int64],
    ) -> None:
        self.names = tuple(names)
        self._encode, self._letters = encode, letters
        self._scale = scale
        self._regression = regression
        self._examples = examples
        self._owners = owners

    @classmethod
    def fit(cls, topics: Mapping[str, Sequence[str]], *, by_meaning: bool = True) -> TopicClassifier:
        """Learn `topics`: name -> example sentences (three or more are advisable, twenty are good).

        Sentences are compared by meaning when the extra `topics` is fully installed, else (or with
        `by_meaning=False`) by their words and letters. Raises SettingsError for fewer than two
        topics, a topic without examples, or when scikit-learn is missing.
        """
        if len(topics) < 2:
            raise SettingsError(f"topics: expected at least two, found {len(topics)}")
        for name, examples in topics.items():
            if not any(example.strip() for example in examples):
                raise SettingsError(f"topics.{name}: expected example sentences, found none")
        try:
            from sklearn.linear_model import LogisticRegression
        except ImportError:
            raise SettingsError("topics: the package scikit-learn is needed (extra `topics`)") from None
        names = list(topics)
        sentences = [example for name in names for example in topics[name] if example.strip()]
        owners = np.array([i for i, name in enumerate(names) for e in topics[name] if e.strip()], np.int64)
        encoder = load_encoder() if by_meaning else None
        encode = _by_words(sentences) if encoder is None else encoder.encode
        scale = _WORDS if encoder is None else _MEANING
        vectors = encode(sentences)
        # (examples, size)
        letters = _by_words(sentences) if scale.letters else None
        regression = LogisticRegression(C=scale.strictness, max_iter=2000, class_weight="balanced")
        regression.fit(_beside(vectors, letters, sentences, scale), owners)
        return cls(names, encode, letters, scale, regression, vectors, owners)

    def classify(self, text: str) -> tuple[str | None, float]:
        """The topic and the confidence in it, 0 to 1; topic None ("none") when it is like no topic."""
        text = said(text)
        if not any(c.isalpha() for c in text):
            return None, 0.0
        read = [text[:_MOST_CHARACTERS]]
        vector = self._encode(read)
        # (1, size)
        weighed = np.exp(_SHARP * (self._examples @ vector[0]))
        near = np.log([weighed[self._owners == i].sum() for i in range(len(self.names))]) / _SHARP
        # (topics,)
        measured = _beside(vector, self._letters, read, self._scale)
        scores = self._regression.predict_log_proba(measured)[0] + self._scale.nearness * near
        odds = np.exp(scores - scores.max())
        best = int(scores.argmax())
        sure = self._scale.a * math.log(odds[best] / odds.sum())
        sure += self._scale.b * float(near.max()) + self._scale.c
        confidence = 1.0 / (1.0 + math.exp(-sure))
        if confidence < self._scale.least or not vector.any():
            return None, round(confidence, 4)
        return self.names[best], round(confidence, 4)


def _beside(
    vectors: FloatArray,
    letters: Callable[[Sequence[str]], FloatArray] | None,
    sentences: Sequence[str],
    scale: _Scale,
) -> FloatArray:
    """The vectors of meaning (n, size), joined with those of words and letters where they are used.

    Names and set phrases ("pto", "credit score") that the meaning blurs are kept by their letters.
    """
    if letters is None:
        return vectors
    return np.concatenate([vectors, scale.letters * letters(sentences)], axis=1)


def _by_words(sentences: Sequence[str]) -> Callable[[Sequence[str]], FloatArray]:
    """TF-IDF of words and of letter groups (typing slips), learned from the examples."""
    from scipy.sparse import hstack
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.preprocessing import normalize

    by_word = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, stop_words="english")
    by_letter = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True)
    kinds = []
    for kind in (by_word, by_letter):
        try:
            kinds.append(kind.fit(sentences))
        except ValueError:  # nothing but stop words
            continue
    if not kinds:
        raise SettingsError("topics: the example sentences hold no words")

    def encode(texts: Sequence[str]) -> FloatArray:
        found = normalize(hstack([kind.transform(texts) for kind in kinds]))
        return np.asarray(found.toarray(), np.float32)

    return encode
