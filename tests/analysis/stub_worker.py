"""A real worker process whose models are stubs: loudness for the voice, words for the text."""

from __future__ import annotations

import math
import os
import sys
import threading
from pathlib import Path

from emocx_pbx.analysis import budget
from emocx_pbx.analysis.worker import process as worker
from emocx_pbx.analysis.worker import worker as host
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import CallerPlace, Scores
from emocx_pbx.emotion.text import TextReading
from emocx_pbx.errors import ModelError


class Loud:
    """Angry when loud, else neutral; deterministic, and dependent on every sample."""

    name = "loud/1"
    centred = False
    place: CallerPlace | None = CallerPlace("loud/1", (0.5,), 3)

    def classify(self, samples: FloatArray) -> Scores | None:
        loud = min(1.0, 5.0 * float(abs(samples).mean()))
        return Scores.of([loud, 1.0 - loud, 0.0, 0.0], 0.4)

    def session(self, neutral_share: float, zero: object = None) -> Loud:
        return self

    read = classify


class Stub:
    """Text model, topics and transcriber."""

    name = "stub/1"

    def read(self, text: str) -> TextReading:
        if text == "die":
            os._exit(9)
        if text == "hang":
            threading.Event().wait(60)
        if text == "break":
            raise RuntimeError("a model's fault")
        if "wütend" in text:
            return TextReading(Scores.of([0.24, 0.30, 0.24, 0.22], 0.4), "de", foreign=True)
        return TextReading(
            Scores.of([0.7, 0.1, 0.1, 0.1] if "angry" in text else [0.1, 0.7, 0.1, 0.1], 0.4), "en"
        )

    def transcribe(self, samples: FloatArray) -> str:
        return "I am angry" if samples.size else ""

    phrase = transcribe


class Topics:
    def __init__(self, name: str) -> None:
        self.name = name

    def classify(self, text: str) -> tuple[str | None, float]:
        return self.name, 0.9


def version(kind: str, folder: str) -> str:
    """What a file in the models' folder says is the current version; "broken" can't be loaded."""
    path = Path(folder or "nowhere") / kind
    found = path.read_text() if path.is_file() else "1"
    if found == "broken":
        raise ModelError(f"{kind} model is damaged")
    return found


class Unhurried(budget.Budget):
    """Never reduces anything: what a test expects must not depend on what else its machine does."""

    def steer(self, load: float, late_s: float) -> None:
        pass

    def expect(self, most: float) -> None:
        pass


class StubLoader(host.Loader):
    def _changed(self, kind: str, spec: str, present: object) -> bool:
        return True

    def _load_speech(self) -> Loud:
        loud = Loud()
        loud.name = f"loud/{version('speech', self._settings.models_dir)}"
        return loud

    def _load_text(self) -> Stub:
        stub = Stub()
        stub.name = f"stub/{version('text', self._settings.models_dir)}"
        if self._settings.text_model == "missing":
            raise ModelError("no text model 'missing'")
        return stub

    def _load_topics(self) -> Topics:
        return Topics(min(self._topics))

    def _load_transcriber(self) -> Stub:
        return Stub()


def use_stubs() -> None:
    """Before the worker is made."""
    host.Loader = StubLoader  # type: ignore[misc]
    host.Budget = Unhurried  # type: ignore[misc]
    budget.LATEST_S = math.inf  # type: ignore[misc]


if __name__ == "__main__":
    use_stubs()
    sys.exit(worker.main())
