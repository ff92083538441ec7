"""What grades lose because the accurate model does not read every window: paired, on the same calls.

    python -m benchmarks.cascade [--data ../shared/data] [--split dev] [--calls 208] [--light cnn]
                                 [--effort 1.6 1.5 1.4 1.2 1.0] [--share 0.52] [--interval 3] [--window 4]
                                 [--write]

Calls assembled as for `benchmarks.grade_quality`. Each is heard by `analysis.worker.hearing` once for each
effort of the budget: 2 is the accurate model for all windows, 1 the light one. `difference` is the mean
distance of a grade from that of the accurate model everywhere, `equal` the share of windows with the same
answer as there; both are paired, so they tell less by chance than Spearman and the mean absolute error (to
the grades of the true labels) do. Recognition and calibration are those of the windows that lie within
clips of one emotion. --share: shares of windows that the accurate model heard, as the `accurate_share` of
`benchmarks.worker_capacity`; `at_share` is the difference there, between those of the efforts next to it.
--interval and --window are those of the settings (s). --write adds the figures to the accurate model's card.
Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from benchmarks.grade_calls import AssembledCall, assemble
from benchmarks.grade_quality import compare
from emocx_pbx.analysis.budget import Budget
from emocx_pbx.analysis.windows import CallSegmenter, Window
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import LABELS, Grade, Reading, Span
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import SpeechClassifier, load_speech
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric, load_rubric
from emocx_pbx.grading.segments import grade_segment
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.training.figures import expected_calibration_error, recalls, uar
from emocx_pbx.training.speech.card import write_card_text
from emocx_pbx.training.speech.data import read_clips


class Remembering(SpeechClassifier):
    """A model that measures each window once, whoever asks for it how often."""

    def __init__(self, model: SpeechClassifier) -> None:
        self.__dict__ |= vars(model)
        self._measured: dict[int, list[FloatArray]] = {}

    def measure(self, samples: FloatArray, powers: FloatArray | None = None) -> list[FloatArray]:
        """As the model's; windows must be kept until `forget`."""
        if id(samples) not in self._measured:
            self._measured[id(samples)] = super().measure(samples, powers)
        return self._measured[id(samples)]

    def forget(self) -> None:
        """The next call."""
        self._measured.clear()


@dataclass
class Heard:
    """One effort's readings, call by call."""

    budget: Budget
    counts: Counter[str] = field(default_factory=Counter)
    pairs: list[tuple[Grade, Grade]] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    equal: list[bool] = field(default_factory=list)
    accurate: list[bool] = field(default_factory=list)
    truth: list[int] = field(default_factory=list)
    """Of the windows that lie within one emotion, as `said`."""
    said: list[Sequence[float]] = field(default_factory=list)

    def compare(self, readings: Sequence[Reading], true: Sequence[Reading]) -> None:
        """Take a call's readings, and its clips."""
        for reading in readings:
            within = {t.scores.best for t in true if t.t0 < reading.t1 and t.t1 > reading.t0}
            if len(within) == 1:
                self.truth.append(LABELS.index(within.pop()))
                self.said.append(reading.scores.probabilities)

    def recognition(self) -> dict[str, Any]:
        """Unweighted average recall, recalls, calibration error."""
        truth, said = np.array(self.truth), np.array(self.said, np.float32)
        best = said.argmax(axis=1)
        return {
            "windows": len(truth),
            "uar": round(uar(truth, best), 3),
            "recall": {str(n): round(r, 2) for n, r in zip(LABELS, recalls(truth, best), strict=True)},
            "ece": round(expected_calibration_error(truth, said), 3),
        }


def measure(
    calls: Sequence[AssembledCall],
    accurate: Remembering,
    light: Remembering,
    efforts: Sequence[float],
    rubric: Rubric,
    settings: AnalysisSettings,
) -> dict[str, Any]:
    """Figures for each effort; the first must be 2."""
    runs = []
    for effort in efforts:
        budget = Budget(cascade=True)
        budget.effort = effort
        runs.append(Heard(budget))
    models = Models(speech=accurate, light=light)
    for number, call in enumerate(calls, 1):
        segmenter = CallSegmenter(settings)
        items = [*segmenter.feed(call.customer, call.agent), *segmenter.finish()]
        spans = [item for item in items if isinstance(item, Span)]
        windows = [item for item in items if isinstance(item, Window)]
        true = grade(call.truth, rubric)
        everywhere: tuple[Grade, list[Reading]] | None = None
        for run in runs:
            readings = heard(windows, models, run)
            given = grade_segment(readings, (0, len(call.customer) / 8000), spans, rubric)
            everywhere = everywhere or (given, readings)
            run.pairs.append((true, given))
            run.compare(readings, call.truth)
            if given.score is not None and everywhere[0].score is not None:
                run.differences.append(abs(given.score - everywhere[0].score))
            there = {reading.t1: reading.scores.emotion for reading in everywhere[1]}
            run.equal += [there.get(r.t1) == r.scores.emotion for r in readings]
            run.accurate += [r.model == accurate.name for r in readings]
        accurate.forget()
        light.forget()
        if sys.stderr.isatty():
            print(f"\r{number}/{len(calls)} calls", end="", file=sys.stderr)
    return {
        "accurate": accurate.name,
        "light": light.name,
        "efforts": [
            {
                "effort": run.budget.effort,
                "accurate_share": round(sum(run.accurate) / max(1, len(run.accurate)), 3),
                "difference": round(sum(run.differences) / max(1, len(run.differences)), 2),
                "equal": round(sum(run.equal) / max(1, len(run.equal)), 3),
                "grades": compare(run.pairs, rubric),
                "recognition": run.recognition(),
                "heard": dict(run.counts),
            }
            for run in runs
        ],
    }


def at_shares(efforts: Sequence[Mapping[str, Any]], shares: Sequence[float]) -> dict[str, float]:
    """The difference of grades at each share of the accurate model, by straight lines between efforts."""
    runs = sorted(efforts, key=lambda run: run["accurate_share"])
    known = [run["accurate_share"] for run in runs], [run["difference"] for run in runs]
    return {str(share): round(float(np.interp(share, *known)), 2) for share in shares}


def heard(windows: Sequence[Window], models: Models, run: Heard) -> list[Reading]:
    """Readings of one call's windows, none of them late."""
    share = AnalysisSettings().neutral_share
    hearing = Hearing(models, run.budget, share, lambda: 0.0, lambda name: run.counts.update([name]))
    return [reading for window in windows if (reading := hearing.read(window, 0.0)) is not None]


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="dev", help="dev to choose, test to report")
    parser.add_argument("--calls", type=int, default=208)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="voice")
    parser.add_argument("--light", default="cnn")
    parser.add_argument("--effort", type=float, nargs="+", default=[1.6, 1.5, 1.4, 1.2, 1.0])
    parser.add_argument("--share", type=float, nargs="+", default=[], help="accurate shares to tell of")
    parser.add_argument("--interval", type=float, default=AnalysisSettings().reading_interval_s)
    parser.add_argument("--window", type=float, default=AnalysisSettings().window_s)
    parser.add_argument("--write", action="store_true", help="add the figures to the shipped model's card")
    options = parser.parse_args()
    clips = read_clips(options.data / "speech" / "clips.csv", split=options.split).clips
    registry = Registry(None)
    models = [Remembering(load_speech(registry, name)) for name in (options.model, options.light)]
    calls = assemble(clips, options.calls, options.seed)
    settings = msgspec.structs.replace(
        AnalysisSettings(), reading_interval_s=options.interval, window_s=options.window
    )
    # Contradictions ask for the accurate model a little more often than the effort says, or less.
    near = [effort for share in options.share for effort in (share + 0.95, share + 1.05) if effort < 2]
    efforts = [2.0, *sorted({*options.effort, *near}, reverse=True)]
    found = measure(calls, models[0], models[1], efforts, load_rubric(None), settings)
    if options.share:
        found["at_share"] = at_shares(found["efforts"], options.share)
    json.dump(found, sys.stdout, indent=1)
    print()
    if options.write:
        folder = registry.find("speech", options.model)
        observed = {"split": options.split, "calls": len(calls), **found}
        card = replace(folder.card, figures={**folder.card.figures, "cascade": observed})
        card.write(folder.path)
        write_card_text(folder.path, card)


if __name__ == "__main__":
    main()
