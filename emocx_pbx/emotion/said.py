"""What one customer has said lately, as context of what is said next. Held in memory only. Pure."""

from __future__ import annotations

from collections import deque
from typing import Final, Protocol

from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import Scores

#: Utterances before this one that are read with it, and of each so many characters, the last ones.
CONTEXT: Final = 2
LONGEST: Final = 300


class PhraseTranscriber(Protocol):
    """Speech-to-text (`emotion.transcribe`)."""

    def phrase(self, samples: FloatArray) -> str:
        """The words of one phrase of a call; empty if there are none."""


class Found(Protocol):
    """What a text model finds (`emotion.text.TextReading`)."""

    @property
    def scores(self) -> Scores:
        """Of the classes."""

    @property
    def foreign(self) -> bool:
        """Whether it is in a language that the model does not know."""


class PhraseReader(Protocol):
    """A text model (`emotion.text.TextReader`)."""

    def read(self, text: str) -> Found:
        """Scores and language of a text."""


class Said:
    """One call's utterances, in order."""

    def __init__(self) -> None:
        self._before: deque[str] = deque(maxlen=CONTEXT)

    def with_context(self, text: str) -> str:
        """The utterance with those before it, as one text to be classified; it is context from now on."""
        whole = " ".join((*self._before, text))
        self._before.append(text[-LONGEST:])
        return whole


def phrase_words(
    transcriber: PhraseTranscriber, texts: PhraseReader, said: Said, samples: FloatArray
) -> tuple[str, Scores | None]:
    """What one phrase (n,) at 8 kHz says, and its scores after what was said before it.

    None: there are no words, or not in a language that the text model knows.
    """
    text = transcriber.phrase(samples)
    if not text:
        return "", None
    found = texts.read(said.with_context(text))
    return text, None if found.foreign else found.scores
