from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import Scores
from emocx_pbx.emotion.said import LONGEST, Said, phrase_words


@dataclass
class Ear:
    says: str

    def phrase(self, samples: FloatArray) -> str:
        return self.says


@dataclass(frozen=True)
class Found:
    scores: Scores
    foreign: bool


class Reader:
    def __init__(self, foreign: bool = False) -> None:
        self.asked: list[str] = []
        self._foreign = foreign

    def read(self, text: str) -> Found:
        self.asked.append(text)
        return Found(Scores.of([0.7, 0.1, 0.1, 0.1]), self._foreign)


SAMPLES = np.zeros(8000, np.float32)


def test_the_last_two_utterances_are_context() -> None:
    said = Said()
    assert [said.with_context(text) for text in "abcd"] == ["a", "a b", "a b c", "b c d"]


def test_a_context_is_bounded() -> None:
    said = Said()
    said.with_context("x" * 5000)
    said.with_context("y" * 5000)
    assert len(said.with_context("z")) == 2 * LONGEST + 3


def test_words_are_read_after_those_before() -> None:
    said, reader = Said(), Reader()
    for text in ("hello", "it broke"):
        assert phrase_words(Ear(text), reader, said, SAMPLES)[0] == text
    assert reader.asked == ["hello", "hello it broke"]


def test_without_words_nobody_is_asked() -> None:
    reader = Reader()
    assert phrase_words(Ear(""), reader, Said(), SAMPLES) == ("", None)
    assert reader.asked == []


def test_a_foreign_language_has_no_say() -> None:
    assert phrase_words(Ear("guten tag"), Reader(foreign=True), Said(), SAMPLES) == ("guten tag", None)
