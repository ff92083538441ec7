"""Speech models in service: float32 samples of a caller in, calibrated scores out.

A model is a folder with a card; the card's recipe names the front end (what is measured on the
samples) and the LiteRT networks behind it. Nothing here imports TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from emocx_pbx.audio.features import RATE, log_mel, short_powers, windows
from emocx_pbx.domain import LABELS, CallerPlace, LineZero, Scores
from emocx_pbx.emotion import voice
from emocx_pbx.emotion.adaptation import Adaptation, CallerSession
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.companion import companion_of, in_parts
from emocx_pbx.emotion.engines import LiteRtEngine
from emocx_pbx.emotion.line_centre import LineCentre, MeanPlace
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.emotion.speechlike import speechlike
from emocx_pbx.errors import ModelError

FloatArray = npt.NDArray[np.float32]

#: A longer stretch is cut into equal parts under this length, and their probabilities averaged.
MAX_SECONDS: Final = 8.0


#: File with what a model knows of how callers differ.
CALLER: Final = "caller.npz"

#: Rows of log-mel that the convolutional network takes, and windows that the dense one takes (4 s).
CNN_FRAMES: Final = 400
MLP_WINDOWS: Final = 63


def fixed_log_mel(samples: FloatArray, powers: FloatArray | None = None) -> FloatArray:
    """Log-mel (400, 64) of a stretch: a short one is repeated, of a long one the middle is taken.

    `powers` are the samples' `short_powers`, where they are there already.
    """
    return fixed(log_mel(samples, powers), CNN_FRAMES)


def fixed_windows(samples: FloatArray) -> FloatArray:
    """The 180 features of each window (63, 180): a short stretch is repeated, a long one cut likewise."""
    return fixed(windows(samples), MLP_WINDOWS)


def fixed(rows: FloatArray, count: int) -> FloatArray:
    """`count` rows: fewer are repeated, of more the middle is taken."""
    if len(rows) < count:
        return np.resize(rows, (count, rows.shape[1]))
    start = (len(rows) - count) // 2
    return rows[start : start + count]


class FrontEnd(Protocol):
    """Measures samples (n,) at 8 kHz: the network's input without the batch axis."""

    def __call__(self, samples: FloatArray) -> FloatArray:
        """Measure one stretch."""
        ...


def front_end(recipe: Mapping[str, Any]) -> FrontEnd:
    """The front end that a card's recipe names.

    Raises ModelError when it is unknown, or what it needs is not installed.
    """
    kind = recipe.get("front")
    if kind == "windows180":
        return fixed_windows
    if kind == "log_mel":
        return fixed_log_mel
    if kind == "voice":
        return voice.VoiceFrontEnd(recipe)
    raise ModelError(f"unknown front end {kind!r}; is the model newer than this program?")


class SpeechClassifier:
    """One speech model, loaded and warm. Deterministic; not for use by several threads at once."""

    def __init__(self, folder: ModelFolder) -> None:
        """Load front end and networks; raises ModelError when something is missing."""
        self.card: Card = folder.card
        self.name = folder.card.title
        recipe = folder.card.recipe
        self._front = front_end(recipe)
        # The small networks hear a fixed stretch: a longer one in several parts.
        self._seconds = MAX_SECONDS if recipe.get("front") == "voice" else 4.0
        names = recipe.get("networks", ["model.tflite"])
        missing = [n for n in names if n not in folder.card.sha256]
        if missing or not names:
            raise ModelError(f"{folder.path}: {missing or 'no network'} without a checksum in the card")
        adaptation = recipe.get("adaptation")
        self.caller: Adaptation | None = None
        """How callers differ, where the model adapts to them."""
        if adaptation is not None:
            if CALLER not in folder.card.sha256:
                raise ModelError(f"{folder.path}: {CALLER} without a checksum in the card")
            with np.load(folder.path / CALLER, allow_pickle=False) as arrays:
                self.caller = Adaptation.of(arrays, adaptation)
        self._networks = [LiteRtEngine(folder.path / n) for n in names]
        found = companion_of(folder.card)
        self._companion = None if found is None else found[0]
        self._light = None if found is None else SpeechClassifier(ModelFolder(folder.path, found[1]))

    def logits(self, measured: FloatArray) -> FloatArray:
        """Logits (4,) before the temperature: log of the networks' mean probabilities."""
        total = np.mean([_softmax(net(measured[None])[0]) for net in self._networks], axis=0)
        logs: FloatArray = np.log(np.maximum(total, 1e-9)).astype(np.float32)
        return logs

    def measure(self, samples: FloatArray, powers: FloatArray | None = None) -> list[FloatArray]:
        """The front end's output for each part of a stretch; `powers`: its `short_powers`, if known."""
        parts = max(1, int(np.ceil(samples.size / (self._seconds * RATE))))
        if parts == 1 and self._front is fixed_log_mel:
            return [fixed_log_mel(samples, powers)]
        return [self._front(part) for part in in_parts(samples, parts)]

    def probabilities(self, samples: FloatArray, powers: FloatArray | None = None) -> FloatArray:
        """Calibrated probabilities (4,) of a stretch, speech or not; a companion has no say in it."""
        rows = [self.calibrated(m) for m in self.measure(samples, powers)]
        mean: FloatArray = np.mean(rows, axis=0)
        return mean

    def known(self, measured: FloatArray) -> float:
        """How far a recording so measured is like those learnt from, 0 to 1; 1 where the model can't tell."""
        if self.caller is None or self.caller.centred is None:
            return 1.0
        return float(self.caller.centred.known(measured[None])[0])

    def in_a_call(
        self,
        samples: FloatArray,
        powers: FloatArray | None,
        measured: Sequence[FloatArray],
        own: Sequence[FloatArray],
    ) -> Sequence[FloatArray]:
        """Probabilities (4,) of each part of a stretch of a call, from its `own` and the companion's."""
        if self._companion is None or self._light is None:
            return own
        theirs = (
            self._light.probabilities(part, powers if len(own) == 1 else None)
            for part in in_parts(samples, len(own))
        )
        return [
            self._companion.joined(p, q, self.known(m)) for p, q, m in zip(own, theirs, measured, strict=True)
        ]

    def calibrated(self, measured: FloatArray) -> FloatArray:
        """Probabilities (4,) of one part's measurement."""
        return _softmax(self.logits(measured) / self.card.temperature)

    def scores(self, probabilities: Sequence[float] | FloatArray) -> Scores:
        """Scores with the card's threshold."""
        return Scores.of([float(p) for p in probabilities], self.card.threshold)

    def classify(self, samples: FloatArray) -> Scores | None:
        """Scores of float32 samples (n,) at 8 kHz in [-1, 1); None when there is no speech in them."""
        if not speechlike(samples):
            return None
        return self.scores(self.probabilities(samples))

    def session(self, neutral_share: float = 1 / len(LABELS), zero: LineZero | None = None) -> SpeechSession:
        """A fresh session for one caller, this share of whose speech is expected to be neutral.

        `zero` corrects the plain answers, if it is one of this very model.
        """
        return SpeechSession(self, neutral_share, zero if zero and zero.model == self.name else None)


class SpeechSession:
    """Readings of one caller along a call, adapting to the caller's own voice (`emotion.adaptation`)."""

    def __init__(self, classifier: SpeechClassifier, neutral_share: float, zero: LineZero | None) -> None:
        self._classifier = classifier
        self._zero = None if zero is None else np.array(zero.offsets, np.float32)
        # A line's zero holds what is expected of its callers already: twice would hide who is angry.
        share = neutral_share if zero is None else 1 / len(LABELS)
        caller = classifier.caller
        self._caller = None if caller is None else CallerSession(caller, share)
        self._line = LineCentre.of(caller, zero)
        self._places = None if caller is None or caller.site is None else MeanPlace()

    @property
    def centred(self) -> bool:
        """Whether readings are heard less the centre of the line's callers."""
        return self._line is not None

    @property
    def place(self) -> CallerPlace | None:
        """Where the readings so far lie on average; None: there are none, or the model has no use for it."""
        return None if self._places is None else self._places.of(self._classifier.name)

    def read(self, samples: FloatArray) -> Scores | None:
        """Like `SpeechClassifier.classify`, using what was heard of this caller and of the line before."""
        model = self._classifier
        if not samples.size:
            return None
        powers = short_powers(samples)
        if not speechlike(samples, powers):
            return None
        parts = model.measure(samples, powers)
        own = [model.calibrated(m) for m in parts]
        plain = model.in_a_call(samples, powers, parts, own)
        said = [self.hear(m, p, q) for m, p, q in zip(parts, own, plain, strict=True)]
        of_model = model.scores(np.mean(plain, axis=0)).probabilities
        return replace(model.scores(np.mean(said, axis=0)), plain=of_model)

    def hear(self, measured: FloatArray, own: FloatArray, plain: FloatArray | None = None) -> FloatArray:
        """Probabilities (4,) of one part's measurement, given all before; remembered.

        `own` are its plain ones by the model itself, `plain` those with its companion's (None: the same).
        """
        log_p = np.log(np.maximum(own, 1e-9))
        corrected = log_p if plain is None or plain is own else np.log(np.maximum(plain, 1e-9))
        if self._zero is not None:
            corrected = corrected + self._zero
        if self._caller is None or self._classifier.caller is None:
            return _softmax(corrected)
        # Where a reading lies among voices is known of the model's own answers: what the line adds is to all
        # alike, and a companion knows nothing of it.
        inputs = self._classifier.caller.inputs(measured[None], log_p[None])
        if self._places is not None:
            self._places.take(inputs.places[0])
        if self._line is not None:
            corrected = self._line.beside(corrected, inputs)
        return _softmax(self._caller.hear(replace(inputs, log_p=corrected[None]), 0))


def load_speech(registry: Registry, spec: str) -> SpeechClassifier:
    """Load the speech model `name`, `name/version` or `auto`.

    `auto` is `voice` where its runtime packages are installed, else `cnn`, which needs none.
    Raises ModelError with a one-line reason.
    """
    if spec == "auto":
        spec = "voice" if voice.available() and registry.versions("speech", "voice") else "cnn"
        if not registry.versions("speech", spec):
            spec = "mlp"
    return SpeechClassifier(registry.find("speech", spec))


def _softmax(x: FloatArray) -> FloatArray:
    e = np.exp(x - x.max())
    out: FloatArray = e / e.sum()
    return out
