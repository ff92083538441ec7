"""Samples of a call's two sides in, readings and spans out: the very code of live taps and recordings.

A live tap runs its two steps apart: `CallSegmenter` on the event loop, `read` in a thread.
"""

from __future__ import annotations

from typing import Protocol

from emocx_pbx.analysis.windows import CallSegmenter, Window
from emocx_pbx.audio.pcm import FloatArray, Int16Array
from emocx_pbx.domain import LineZero, Reading, Scores, Span
from emocx_pbx.settings.settings import AnalysisSettings


class CallerSession(Protocol):
    """A speech model that listens to one caller (`emotion.speech.SpeechSession`)."""

    def read(self, samples: FloatArray) -> Scores | None:
        """Scores of the caller's latest speech (n,) at 8 kHz; None when it isn't speech after all."""


class Classifier(Protocol):
    """A speech model (`emotion.speech.SpeechClassifier`)."""

    name: str
    """`name/version`."""

    def classify(self, samples: FloatArray) -> Scores | None:
        """Scores of samples (n,) at 8 kHz, whoever speaks; None when it isn't speech."""

    def session(self, neutral_share: float, zero: LineZero | None = None) -> CallerSession:
        """A session for a new caller, of whose speech so much is expected to be neutral.

        `zero` of the caller's line is used if it is one of this very model.
        """


def listening(classifier: Classifier, neutral_share: float, zero: LineZero | None) -> CallerSession:
    """A session for a new caller; `zero` is that of the caller's line, if it is known."""
    return classifier.session(neutral_share, zero) if zero else classifier.session(neutral_share)


def read(session: CallerSession, model: str, window: Window, zero: LineZero | None = None) -> Reading | None:
    """The reading of one window; None when the model hears no speech in it (music, tones).

    `zero` is what the session was begun with; another model's is none.
    """
    scores = session.read(window.samples)
    if scores is None:
        return None
    used = zero if zero and zero.model == model else None
    return Reading(window.t0, window.t1, window.speech_s, scores, model, used)


class CallAnalyser:
    """One call, analysed as its samples come. Deterministic in the samples, whatever the chunks."""

    def __init__(
        self,
        classifier: Classifier | None,
        settings: AnalysisSettings,
        offset_s: float = 0.0,
        zero: LineZero | None = None,
    ) -> None:
        """Without a classifier there are spans but no readings; `offset_s` is the first sample's time.

        `zero` is that of the call's line, if it is known.
        """
        self._segmenter = CallSegmenter(settings, offset_s)
        self._model = classifier.name if classifier else ""
        self._zero = zero
        self._session = listening(classifier, settings.neutral_share, zero) if classifier else None

    def feed(self, customer: Int16Array, agent: Int16Array) -> list[Reading | Span]:
        """Take the next samples of both sides, of equal length; what they settled, in order."""
        return self._classified(self._segmenter.feed(customer, agent))

    def finish(self) -> list[Reading | Span]:
        """No more samples come."""
        return self._classified(self._segmenter.finish())

    def _classified(self, items: list[Window | Span]) -> list[Reading | Span]:
        out: list[Reading | Span] = []
        for item in items:
            if isinstance(item, Span):
                out.append(item)
            elif self._session is not None:
                reading = read(self._session, self._model, item, self._zero)
                if reading is not None:
                    out.append(reading)
        return out
