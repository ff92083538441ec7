"""The models of one worker, each loaded where it will run; a failure to load is reported, not raised."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

import numpy as np
import structlog

from emocx_pbx.analysis.pipeline import Classifier
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray
from emocx_pbx.emotion.loading import loading
from emocx_pbx.errors import ModelError
from emocx_pbx.settings.settings import AnalysisSettings

if TYPE_CHECKING:
    from emocx_pbx.emotion.text import TextReading

log = structlog.get_logger()

#: Characters of why a model can't be loaded, in the worker's problems.
LONGEST_PROBLEM: Final = 200

#: Questions transcribed at once at the most.
MOST_TRANSCRIBED: Final = 2

T = TypeVar("T")


def transcribed_at_once() -> int:
    """How many questions one worker transcribes at once: one where it has one core to itself."""
    return min(MOST_TRANSCRIBED, len(os.sched_getaffinity(0)))


class TextModel(Protocol):
    """A text model and what tells languages (`emotion.text.TextReader`)."""

    name: str

    def read(self, text: str) -> TextReading:
        """Scores and language of a query."""


class SpeechToText(Protocol):
    """Speech-to-text (`emotion.transcribe`)."""

    name: str

    def transcribe(self, samples: FloatArray) -> str:
        """The words in samples (n,) at 8 kHz; empty if there are none."""

    def phrase(self, samples: FloatArray) -> str:
        """The words of one phrase of a call."""


class Topics(Protocol):
    """The policy's topics (`routing.topics.TopicClassifier`)."""

    def classify(self, text: str) -> tuple[str | None, float]:
        """The topic of a query, and how sure."""


@dataclass(slots=True)
class Models:
    """What a worker has; each part is used by one thread only, the transcriber by `transcribed_at_once`."""

    speech: Classifier | None = None
    light: Classifier | None = None
    """Reads what the speech model has no time for; None: there is none, or the speech model is as light."""
    text: TextModel | None = None
    topics: Topics | None = None
    transcriber: SpeechToText | None = None
    problems: list[str] = field(default_factory=list)
    """One line for each part that was asked for but can't be used."""

    @property
    def in_use(self) -> tuple[str | None, str | None]:
        """Names of the speech and the text model; None: there is none."""
        return self.speech.name if self.speech else None, self.text.name if self.text else None

    def take_speech(self, newer: Newer) -> None:
        """Use what was loaded anew, in the thread that uses it."""
        self.speech = newer.speech or self.speech
        self.light = newer.light or self.light

    def take_words(self, newer: Newer) -> None:
        """The same of texts and topics."""
        self.text = newer.text or self.text
        self.topics = None if newer.without_topics else newer.topics or self.topics


@dataclass(slots=True)
class Newer:
    """Parts loaded to take the place of present ones; None: the present one stays."""

    speech: Classifier | None = None
    light: Classifier | None = None
    text: TextModel | None = None
    topics: Topics | None = None
    without_topics: bool = False
    """The policy has no topics any more."""
    problems: list[str] = field(default_factory=list)


class Loader:
    """Loads the parts; each method may run in a thread of its own."""

    def __init__(
        self, settings: AnalysisSettings, topics: Mapping[str, Sequence[str]], models: Models
    ) -> None:
        self._settings, self._topics, self._models = settings, topics, models
        self._versions: dict[str, str] = {}

    def speech(self) -> None:
        """Load and warm the speech model."""
        if self._settings.speech_model != "off":
            self._models.speech = self._attempt("speech model", self._load_speech)
            if self._wants_light(self._models.speech):
                self._models.light = self._attempt("light speech model", self._load_light)

    def text(self) -> None:
        """Load and warm the text model."""
        if self._settings.text_model != "off":
            self._models.text = self._attempt("text model", self._load_text)

    def topics(self) -> None:
        """Learn the topics."""
        if self._topics:
            self._models.topics = self._attempt("topics", self._load_topics)

    def transcriber(self) -> None:
        """Load and warm speech-to-text."""
        if self._settings.transcriber != "off":
            self._models.transcriber = self._attempt("transcriber", self._load_transcriber)

    def newer(
        self, topics: Mapping[str, Sequence[str]] | None, versions: Mapping[str, str] | None = None
    ) -> Newer:
        """Load what is to take the place of the present parts; may run beside their use.

        A part that is what it should be already, or can't be loaded, is None in the answer. `versions`, by
        `kind/name`, count in place of what the folder says.
        """
        found = Newer()
        self._versions = dict(versions or {})
        settings, models = self._settings, self._models
        if settings.speech_model != "off" and self._changed("speech", settings.speech_model, models.speech):
            found.speech = self._attempt("speech model", self._load_speech, found.problems)
        if self._wants_light(found.speech or models.speech) and self._changed(
            "speech", settings.light_model, models.light
        ):
            found.light = self._attempt("light speech model", self._load_light, found.problems)
        if settings.text_model != "off" and self._changed("text", settings.text_model, models.text):
            found.text = self._attempt("text model", self._load_text, found.problems)
        if topics is not None and dict(topics) != dict(self._topics):
            self._topics = topics
            found.topics = self._attempt("topics", self._load_topics, found.problems) if topics else None
            found.without_topics = not topics
        return found

    def _wants_light(self, speech: Classifier | None) -> bool:
        """Whether there is to be a light model beside this one."""
        light = self._settings.light_model
        return light != "off" and speech is not None and speech.name.partition("/")[0] == "voice"

    def _changed(self, kind: str, spec: str, present: Classifier | TextModel | None) -> bool:
        """Whether the name stands for another version than the one in use; so too when nobody can say."""
        if present is None or spec == "auto":
            return True
        try:
            name, _, version = spec.partition("/")
            return present.name != f"{name}/{version or self._registry().current(kind, name)}"
        except (ModelError, OSError):
            return True

    def _attempt(self, what: str, load: Callable[[], T], problems: list[str] | None = None) -> T | None:
        problems_found = self._models.problems if problems is None else problems
        try:
            with loading(what):
                return load()
        except ModelError as error:
            # Whatever a damaged file or a missing package raises: calls go on without this model.
            text = " ".join(str(error).split())[:LONGEST_PROBLEM]
            if error.__cause__ is not None:
                log.error("model could not be loaded", key="model.load_failed", what=what, exc_info=error)
            problems_found.append(text if text.startswith(f"{what}: ") else f"{what}: {text}")
        return None

    def _registry(self) -> Any:
        from emocx_pbx.emotion.registry import Registry

        path = Path(self._settings.models_dir) if self._settings.models_dir else None
        return Registry(path, self._versions)

    def _load_speech(self) -> Classifier:
        from emocx_pbx.emotion.speech import load_speech

        model = load_speech(self._registry(), self._settings.speech_model)
        model.classify(syllables(4.0))
        return model

    def _load_light(self) -> Classifier:
        from emocx_pbx.emotion.speech import load_speech

        model = load_speech(self._registry(), self._settings.light_model)
        model.classify(syllables(4.0))
        return model

    def _load_text(self) -> TextModel:
        from emocx_pbx.emotion.text import load_reader

        model = load_reader(self._registry(), self._settings.text_model)
        model.read("Is anybody there?")
        return model

    def _load_topics(self) -> Topics:
        from emocx_pbx.routing.topics import TopicClassifier

        topics: Topics = TopicClassifier.fit(self._topics)
        topics.classify("Is anybody there?")
        return topics

    def _load_transcriber(self) -> SpeechToText | None:
        from emocx_pbx.emotion.transcribe import load_transcriber

        transcriber: SpeechToText | None = load_transcriber(self._settings.transcriber, transcribed_at_once())
        if transcriber is not None:
            transcriber.transcribe(syllables(4.0))
        return transcriber


def syllables(seconds: float) -> FloatArray:
    """A substitute for speech, shape (seconds x 8000,): a gliding buzz through moving formants."""
    t = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pitch = 130 * (1 + 0.15 * np.sin(2 * np.pi * 0.6 * t) + 0.1 * np.sin(2 * np.pi * 1.7 * t))
    phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
    first, second = 500 + 250 * np.sin(2 * np.pi * 2.3 * t), 1500 + 600 * np.sin(2 * np.pi * 1.9 * t + 1)
    voice = np.zeros_like(t)
    for k in range(1, 25):
        gain = 1 / (1 + ((k * pitch - first) / 120) ** 2) + 0.5 / (1 + ((k * pitch - second) / 180) ** 2)
        voice += gain * np.sin(k * phase)
    beat = np.clip(np.sin(2 * np.pi * 3.5 * t) + 0.4, 0, 1) * (np.sin(2 * np.pi * 0.45 * t) > -0.8)
    breath = np.random.default_rng(0).normal(0, 0.001, t.size)
    return np.asarray(0.08 * voice * beat + breath, dtype=np.float32)
