"""A real worker process whose models are stubs: loudness for the voice, words for the text."""

from __future__ import annotations

import os
import sys
import threading

from emocx_pbx.analysis import host, worker
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import Scores
from emocx_pbx.errors import ModelError


class Loud:
    """Angry when loud, else neutral; deterministic, and dependent on every sample."""

    name = "loud/1"

    def classify(self, samples: FloatArray) -> Scores | None:
        loud = min(1.0, 5.0 * float(abs(samples).mean()))
        return Scores.of([loud, 1.0 - loud, 0.0, 0.0], 0.4)

    def session(self) -> Loud:
        return self

    read = classify


class Stub:
    """Text model, topics and transcriber."""

    name = "stub/1"

    def classify(self, text: str) -> Scores:
        if text == "die":
            os._exit(9)
        if text == "hang":
            threading.Event().wait(60)
        if text == "break":
            raise RuntimeError("a model's fault")
        return Scores.of([0.7, 0.1, 0.1, 0.1] if "angry" in text else [0.1, 0.7, 0.1, 0.1], 0.4)

    def transcribe(self, samples: FloatArray) -> str:
        return "I am angry" if samples.size else ""


class Topics:
    def classify(self, text: str) -> tuple[str | None, float]:
        return "billing", 0.9


class StubLoader(host.Loader):
    def _load_speech(self) -> Loud:
        return Loud()

    def _load_text(self) -> Stub:
        if self._settings.text_model == "missing":
            raise ModelError("no text model 'missing'")
        return Stub()

    def _load_topics(self) -> Topics:
        return Topics()

    def _load_transcriber(self) -> Stub:
        return Stub()


if __name__ == "__main__":
    host.Loader = StubLoader  # type: ignore[misc]
    sys.exit(worker.main())
