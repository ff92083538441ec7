"""From samples of a call's two sides to readings and spans: the same code for live taps and recordings.

A live tap runs its two steps apart: `CallSegmenter` on the event loop, `read` in a thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.alert_ahead import AlertAhead
from emocx_pbx.analysis.call_words import CallWords, Worded, is_sampled
from emocx_pbx.analysis.windows import CallSegmenter, Item, Phrase, Window
from emocx_pbx.audio.pcm import FloatArray, Int16Array
from emocx_pbx.audio.vad import FRAME
from emocx_pbx.domain import CallerPlace, LineZero, Reading, Scores, Span
from emocx_pbx.settings.settings import AnalysisSettings


class ListeningSession(Protocol):
    """A speech model that listens to one caller (`emotion.speech.SpeechSession`)."""

    @property
    def centred(self) -> bool:
        """Whether readings are heard less the centre of the line's callers."""

    @property
    def place(self) -> CallerPlace | None:
        """Where the caller's readings lie on average; None: it is not known, or of no use."""

    def read(self, samples: FloatArray) -> Scores | None:
        """Scores of the caller's latest speech (n,) at 8 kHz; None when it isn't speech after all."""


class Classifier(Protocol):
    """A speech model (`emotion.speech.SpeechClassifier`)."""

    name: str
    """`name/version`."""

    def classify(self, samples: FloatArray) -> Scores | None:
        """Scores of samples (n,) at 8 kHz, whoever speaks; None when it isn't speech."""

    def session(self, neutral_share: float, zero: LineZero | None = None) -> ListeningSession:
        """A session for a new caller, of whose speech so much is expected to be neutral.

        `zero` of the caller's line is used if it is one of this very model.
        """


def listening(classifier: Classifier, neutral_share: float, zero: LineZero | None) -> ListeningSession:
    """A session for a new caller; `zero` is that of the caller's line, if it is known."""
    return classifier.session(neutral_share, zero) if zero else classifier.session(neutral_share)


def read(
    session: ListeningSession, model: str, window: Window, zero: LineZero | None = None
) -> Reading | None:
    """The reading of one window; None when the model hears no speech in it (music, tones).

    `zero` is what the session was begun with; another model's is none.
    """
    scores = session.read(window.samples)
    if scores is None:
        return None
    used = zero.as_evidence(session.centred) if zero and zero.model == model else None
    return Reading(window.t0, window.t1, window.speech_s, scores, model, used)


class CallAnalyser:
    """One call, analysed as its samples come. Deterministic in the samples, whatever the chunks."""

    def __init__(
        self,
        classifier: Classifier | None,
        settings: AnalysisSettings,
        offset_s: float = 0.0,
        zero: LineZero | None = None,
        words: Callable[[Phrase], Scores | None] | None = None,
        alerts: Sequence[AlertRule] = (),
    ) -> None:
        """Without a classifier there are spans but no readings by voice.

        Args:
            classifier: the speech model.
            settings: the section [analysis].
            offset_s: the first sample's call time.
            zero: that of the call's line, if it is known.
            words: what the words of a phrase say, asked where the settings want words.
            alerts: rules that the call is watched by, which decide where it is read sooner.
        """
        self._ahead = AlertAhead(alerts, settings.reading_interval_s)
        self._frame_by_frame, self._past = bool(alerts), 0
        """Samples fed beyond the last whole frame."""
        self._segmenter = CallSegmenter(settings, offset_s)
        self._model = classifier.name if classifier else ""
        self._zero = zero
        self._read_words = words
        self._sampled, self._phrases = settings.words == "sampled", 0
        self._words = CallWords(voiced=classifier is not None)
        self._session = listening(classifier, settings.neutral_share, zero) if classifier else None

    def feed(self, customer: Int16Array, agent: Int16Array) -> list[Reading | Span]:
        """Take the next samples of both sides, of equal length; what they settled, in order.

        One told again, with the same times, takes the place of the one before: words were heard.
        """
        if not self._frame_by_frame:
            return self._classified(self._segmenter.feed(customer, agent))
        # Each window is read before the next one is due.
        out: list[Reading | Span] = []
        starts = range(FRAME - self._past, len(customer), FRAME)
        self._past = (self._past + len(customer)) % FRAME
        pieces = (np.split(side, starts) for side in (customer, agent))
        for left, right in zip(*pieces, strict=True):
            out += self._classified(self._segmenter.feed(left, right))
        return out

    def finish(self) -> list[Reading | Span]:
        """No more samples come."""
        return self._classified(self._segmenter.finish())

    def _classified(self, items: list[Item]) -> list[Reading | Span]:
        out: list[Reading | Span] = []
        for item in items:
            if isinstance(item, Span):
                out.append(item)
            elif isinstance(item, Phrase):
                out += self._worded(item)
            elif self._session is not None:
                reading = read(self._session, self._model, item, self._zero)
                if reading is not None:
                    out += self._taken(reading, item.early)
        return out

    def _taken(self, reading: Reading, early: bool) -> list[Reading]:
        taken = self._ahead.take(reading, early)
        if taken.early_s is not None:
            self._segmenter.read_early(reading.t1, taken.early_s)
        if not taken.counts:
            return []
        worded = self._words.by_voice(reading)
        if worded.words is not None:
            self._ahead.revise(worded)
        return [worded]

    def _worded(self, phrase: Phrase) -> list[Reading]:
        number, self._phrases = self._phrases, self._phrases + 1
        if self._read_words is None or (self._sampled and not is_sampled(number)):
            return []
        scores = self._read_words(phrase)
        found = self._words.by_words(Worded(phrase.t0, phrase.t1, scores)) if scores else []
        for reading in found:
            self._ahead.revise(reading)
        return found
