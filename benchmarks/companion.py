"""How much a light model should count beside `voice` in calls, on dev speakers that neither was trained on.

    python -m benchmarks.companion [--data ../shared/data] [--calls 208] [--light cnn]
                                   [--share 0 0.2 0.4 0.6] [--sharpness 1 1.25] [--json]

Calls assembled as for `benchmarks.grade_quality`, of dev speakers. `voice` answers by those of its heads that
never heard the speaker (from model.keras: `emocx-pbx models fetch tuning`); its relative map, and what it
knows of callers, did hear them. The light model learnt from train speakers alone. Each share of the mean of
both models' probabilities, and sharpness of it (see `emotion.companion`), goes through the caller's session,
as in a call; share 0 is `voice` alone. Log loss, calibration error and recalls are those of windows within
one emotion, grades are compared with those of the true labels. `clips` are the same speakers' clips as
they were recorded, without a session: there a companion is no help.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.cascade import Heard
from benchmarks.grade_calls import AssembledCall, assemble
from benchmarks.grade_quality import compare
from emocx_pbx.analysis.budget import Budget
from emocx_pbx.analysis.windows import CallSegmenter, Window
from emocx_pbx.audio.features import short_powers
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.emotion.companion import Companion
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import SpeechClassifier, SpeechSession, load_speech
from emocx_pbx.emotion.speechlike import speechlike
from emocx_pbx.errors import EmocxError
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric, load_rubric
from emocx_pbx.grading.segments import grade_segment
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.training.figures import softmax, uar
from emocx_pbx.training.speech.crossfit import FOLDS, log_mean
from emocx_pbx.training.speech.data import Clip, on_line, read_clips
from emocx_pbx.training.speech.voice_network import opened

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


class Unheard:
    """`voice` by those of its heads that never heard a speaker."""

    def __init__(self, registry: Registry, name: str, voices: Sequence[str]) -> None:
        """`voices` are all that it learnt from, as they were dealt into folds."""
        self.model = load_speech(registry, name)
        self._parts = opened(registry.find("speech", name).path, "voice")
        self._fold = {voice: i % FOLDS for i, voice in enumerate(sorted(voices))}
        self._each = len(self._parts.heads) // FOLDS

    def probabilities(self, measured: Floats, voice: str) -> Floats:
        """Plain ones (4,) of a measurement (width,)."""
        model, k = self.model, self._fold[voice]
        ready = self._parts.front(measured[None])
        own = log_mean(self._parts.heads[k * self._each : (k + 1) * self._each], ready)[0]
        weight = model.known(measured) * float(model.card.recipe["blend"]["known_heads"])
        logits = model.logits(measured) + weight * (own - log_mean(self._parts.heads, ready)[0])
        answer: Floats = softmax(logits[None] / model.card.temperature)[0]
        return answer


@dataclass(frozen=True, slots=True)
class Call:
    """One call's windows as both models hear them."""

    call: AssembledCall
    spans: list[Span]
    windows: list[Window]
    measured: list[Floats]
    own: list[Floats]
    theirs: list[Floats]


@dataclass
class Tried:
    """One way of putting both together."""

    joint: Companion | None
    heard: Heard = field(default_factory=lambda: Heard(Budget(cascade=False)))

    def plain(self, own: Floats, theirs: Floats, known: Floats | float) -> Floats:
        """Probabilities (..., 4)."""
        return own if self.joint is None else self.joint.joined(own, theirs, known)

    def take(self, call: Call, model: SpeechClassifier, rubric: Rubric) -> None:
        """A call, in a session of its own."""
        session = SpeechSession(model, AnalysisSettings().neutral_share, None)
        readings = [
            Reading(w.t0, w.t1, w.speech_s, self._scores(session, m, o, t, model), model.name)
            for w, m, o, t in zip(call.windows, call.measured, call.own, call.theirs, strict=True)
        ]
        given = grade_segment(readings, (0, len(call.call.customer) / 8000), call.spans, rubric)
        self.heard.pairs.append((grade(call.call.truth, rubric), given))
        self.heard.compare(readings, call.call.truth)

    def _scores(
        self, session: SpeechSession, measured: Floats, own: Floats, theirs: Floats, model: SpeechClassifier
    ) -> Scores:
        return model.scores(session.hear(measured, own, self.plain(own, theirs, model.known(measured))))

    def figures(self, rubric: Rubric, clips: tuple[Floats, Floats, Floats, Ints]) -> dict[str, Any]:
        """Of all calls taken, and of clips, as `heard_clips` gives them."""
        said, truth = np.array(self.heard.said), np.array(self.heard.truth)
        loss = -np.log(np.maximum(said[np.arange(len(truth)), truth], 1e-6)).mean()
        own, theirs, known, labels = clips
        return {
            "share": 0.0 if self.joint is None else self.joint.share,
            "sharpness": 1.0 if self.joint is None else self.joint.sharpness,
            "log_loss": round(float(loss), 4),
            **self.heard.recognition(),
            "grades": compare(self.heard.pairs, rubric),
            "clips_uar": round(uar(labels, self.plain(own, theirs, known).argmax(axis=1)), 3),
        }


def heard_calls(calls: Sequence[AssembledCall], voice: Unheard, light: SpeechClassifier) -> Iterator[Call]:
    """The calls, one after the other, with what both models say of each window of speech."""
    for number, call in enumerate(calls, 1):
        segmenter = CallSegmenter(AnalysisSettings())
        items = [*segmenter.feed(call.customer, call.agent), *segmenter.finish()]
        found = Call(call, [i for i in items if isinstance(i, Span)], [], [], [], [])
        for window in (i for i in items if isinstance(i, Window)):
            powers = short_powers(window.samples)
            if speechlike(window.samples, powers):
                measured = voice.model.measure(window.samples, powers)[0]
                found.windows.append(window)
                found.measured.append(measured)
                found.own.append(voice.probabilities(measured, call.voice))
                found.theirs.append(light.probabilities(window.samples, powers))
        yield found
        if sys.stderr.isatty():
            print(f"\r{number}/{len(calls)} calls", end="", file=sys.stderr)


def heard_clips(
    clips: Sequence[Clip], voice: Unheard, light: SpeechClassifier
) -> tuple[Floats, Floats, Floats, Ints]:
    """Probabilities (n, 4) of both models, how far recordings are known (n, 1), labels (n,) of clips."""
    own, theirs, known = [], [], []
    for clip in clips:
        samples = on_line(clip.samples)
        measured = np.mean(voice.model.measure(samples), axis=0)
        own.append(voice.probabilities(measured, clip.voice))
        theirs.append(light.probabilities(samples))
        known.append([voice.model.known(measured)])
    return np.array(own), np.array(theirs), np.array(known), np.array([c.label for c in clips], np.int64)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="How much a light model counts beside `voice` in calls.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--calls", type=int, default=208)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--light", default="cnn")
    parser.add_argument("--share", type=float, nargs="+", default=[0.0, 0.2, 0.4, 0.6])
    parser.add_argument("--sharpness", type=float, nargs="+", default=[1.0, 1.25])
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        clips = read_clips(args.data / "speech" / "clips.csv").clips
        registry, rubric = Registry(None), load_rubric(None)
        voice = Unheard(registry, "voice", sorted({c.voice for c in clips if c.split != "test"}))
        light = load_speech(registry, args.light)
        dev = [c for c in clips if c.split == "dev"]
        ways = [
            Tried(Companion(light.name, share, sharpness) if share else None)
            for share in args.share
            for sharpness in (args.sharpness if share else [1.0])
        ]
        for call in heard_calls(assemble(dev, args.calls, args.seed), voice, light):
            for way in ways:
                way.take(call, voice.model, rubric)
        as_recorded = heard_clips(dev, voice, light)
        found = [way.figures(rubric, as_recorded) for way in ways]
    except EmocxError as error:
        print(f"companion: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"model": voice.model.name, "light": light.name, "ways": found}, indent=1))
        return 0
    print("| share | sharpness | log loss | ECE | UAR | Spearman | mean error | in range | UAR of clips |")
    print("|---|---|---|---|---|---|---|---|---|")
    for f in found:
        g = f["grades"]
        print(f"| {f['share']:g} | {f['sharpness']:g} | {f['log_loss']:.3f} | {f['ece']:.3f} | {f['uar']:.3f}"
              f" | {g['spearman']:.3f} | {g['mae']:.2f} | {g['range_holds_true_score']:.3f}"
              f" | {f['clips_uar']:.3f} |")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
