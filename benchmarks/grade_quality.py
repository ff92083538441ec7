"""How far grades can be trusted: calls of known course, graded from true labels and from a model.

    python -m benchmarks.grade_quality [--data ../shared/data] [--calls 208] [--model auto] [--json]
                                      [--plot FILE.svg]

`windows` is what a perfect model would give with the pipeline's own windows: what it loses is voice
activity and overlap, not recognition. `readings_alone` is the model without making its readings
consistent (grading/settle.py). Bias is the mean of (model's score - true score).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from scipy.stats import spearmanr

from benchmarks.grade_calls import AssembledCall, assemble
from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.pipeline import CallAnalyser, Classifier
from emocx_pbx.domain import LABELS, Grade, Reading, Scores, Span
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import load_speech
from emocx_pbx.errors import EmocxError
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric, load_rubric
from emocx_pbx.grading.segments import cut_readings, grade_segment
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.training.speech.data import read_clips

GOALS: Final = {"spearman": 0.85, "mae": 8.0, "bias": 3.0}


def readings_of(
    call: AssembledCall, classifier: Classifier | None, alerts: Sequence[AlertRule] = ()
) -> tuple[list[Reading], list[Span]]:
    """The pipeline's readings and spans of a call that is watched by these rules."""
    analyser = CallAnalyser(classifier, AnalysisSettings(), alerts=alerts)
    items = [*analyser.feed(call.customer, call.agent), *analyser.finish()]
    return [i for i in items if isinstance(i, Reading)], [i for i in items if isinstance(i, Span)]


def perfect(reading: Reading, truth: Sequence[Reading]) -> Reading:
    """The reading a perfect model would have given: the shares of true labels in its time."""
    weights = [0.0] * len(LABELS)
    for true in truth:
        overlap = min(reading.t1, true.t1) - max(reading.t0, true.t0)
        if overlap > 0:
            weights[true.scores.probabilities.index(1.0)] += overlap
    return replace(reading, scores=Scores.of(weights)) if sum(weights) else reading


def compare(pairs: Sequence[tuple[Grade, Grade]], rubric: Rubric) -> dict[str, Any]:
    """Figures of (true, given) grades; those without a number on either side are only counted."""
    both = [(t.score, g.score, g) for t, g in pairs if t.score is not None and g.score is not None]
    if len(both) < 3:
        return {"calls": len(pairs), "graded": len(both)}
    errors = [given - true for true, given, _ in both]
    names = [*rubric.letters, "E"]
    steps = [abs(names.index(rubric.letter(t)) - names.index(rubric.letter(g))) for t, g, _ in both]
    inside = [g.low <= t <= g.high for t, _, g in both if g.low is not None and g.high is not None]
    spread = len({round(t, 1) for t, _, _ in both}) > 1 and len({round(g, 1) for _, g, _ in both}) > 1
    rank = float(spearmanr([t for t, _, _ in both], [g for _, g, _ in both]).statistic) if spread else None
    return {
        "calls": len(pairs),
        "graded": len(both),
        "spearman": None if rank is None else round(rank, 3),
        "mae": round(sum(abs(e) for e in errors) / len(errors), 2),
        "bias": round(sum(errors) / len(errors), 2),
        "letters_off_by_more_than_one": round(sum(s > 1 for s in steps) / len(steps), 3),
        "range_holds_true_score": round(sum(inside) / len(inside), 3),
    }


def table(
    calls: Sequence[AssembledCall], pairs: Sequence[tuple[Grade, Grade]], rubric: Rubric
) -> dict[str, Any]:
    """Figures over all calls, per starting emotion, per course and per noise."""

    def grouped(keys: Sequence[str]) -> dict[str, Any]:
        return {
            k: compare([p for p, key in zip(pairs, keys, strict=True) if key == k], rubric)
            for k in sorted(set(keys))
        }

    return {
        **compare(pairs, rubric),
        "by_start": grouped([str(LABELS[c.start]) for c in calls]),
        "by_course": grouped([c.course for c in calls]),
        "by_noise": grouped(["quiet" if c.snr_db is None else f"{c.snr_db:.0f} dB" for c in calls]),
        "by_corpus": grouped([c.voice.split("/")[0] for c in calls]),
        "by_voice": grouped([c.voice for c in calls]),
    }


def measure(calls: Sequence[AssembledCall], classifier: Classifier, rubric: Rubric) -> dict[str, Any]:
    """All figures of one model."""
    given: list[tuple[Grade, Grade]] = []
    alone: list[tuple[Grade, Grade]] = []
    windows: list[tuple[Grade, Grade]] = []
    for number, call in enumerate(calls, 1):
        readings, spans = readings_of(call, classifier)
        length = len(call.customer) / 8000
        true = grade(call.truth, rubric)
        given.append((true, grade_segment(readings, (0, length), spans, rubric)))
        alone.append((true, grade(cut_readings(readings, 0, length, spans), rubric)))
        ideal = [perfect(r, call.truth) for r in readings]
        windows.append((true, grade(cut_readings(ideal, 0, length, spans), rubric)))
        if sys.stderr.isatty():
            print(f"\r{number}/{len(calls)} calls", end="", file=sys.stderr)
    result = table(calls, given, rubric)
    biases = [abs(group.get("bias", 0.0)) for group in result["by_start"].values()]
    return {
        "model": classifier.name,
        "rubric": rubric.version,
        **result,
        "worst_start_bias": max(biases),
        "points": [
            {"start": str(LABELS[c.start]), "voice": c.voice, "true": t.score, "given": g.score}
            for c, (t, g) in zip(calls, given, strict=True)
        ],
        "readings_alone": compare(alone, rubric),
        "windows": compare(windows, rubric),
        "goals": GOALS,
        "goals_met": {
            "spearman": (result.get("spearman") or 0.0) >= GOALS["spearman"],
            "mae": result.get("mae", 100.0) <= GOALS["mae"],
            "bias": max(biases) <= GOALS["bias"],
        },
    }


def _text(result: dict[str, Any]) -> str:
    head = ("", "calls", "spearman", "mae", "bias", "letters off > 1", "true score in range")
    keys = ("graded", "spearman", "mae", "bias", "letters_off_by_more_than_one", "range_holds_true_score")
    rows = [("all", result), ("readings as they are", result["readings_alone"])]
    rows += [("perfect model, same windows", result["windows"])]
    for group in ("by_start", "by_course", "by_noise", "by_corpus"):
        rows += [(f"{group[3:]}: {name}", figures) for name, figures in result[group].items()]
    voices = sorted(result["by_voice"].items(), key=lambda v: -v[1]["graded"] * v[1].get("mae", 0.0))
    rows += [(f"voice: {name}", figures) for name, figures in voices[:5]]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    lines += ["| " + " | ".join([name, *(str(row.get(k)) for k in keys)]) + " |" for name, row in rows]
    return f"model {result['model']}, rubric {result['rubric']}\n\n" + "\n".join(lines)


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw every call: the grade of its true labels, and the one of the model's readings."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    matplotlib.rcParams["svg.hashsalt"] = "emocx"
    figure, axes = plt.subplots(figsize=(5, 5), layout="constrained")
    axes.plot([0, 100], [0, 100], color="0.7", linewidth=1)
    for label, marker in zip(LABELS, "vsDo", strict=True):
        points = [p for p in result["points"] if p["start"] == label]
        true, given = [p["true"] for p in points], [p["given"] for p in points]
        axes.scatter(true, given, s=18, marker=marker, alpha=0.7, label=f"starts {label}")
    axes.set(xlabel="grade of the true labels", ylabel=f"grade of the readings of {result['model']}")
    axes.legend(frameon=False)
    figure.savefig(path, metadata={"Date": None})


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="How far grades can be trusted.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="test", help="of clips.csv (dev while choosing, test to report)")
    parser.add_argument("--calls", type=int, default=208)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--rubric", type=Path)
    parser.add_argument("--plot", type=Path, help="write a picture of all calls (SVG)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        clips = read_clips(args.data / "speech" / "clips.csv", split=args.split).clips
        classifier = load_speech(Registry(args.models_dir), args.model)
        result = measure(assemble(clips, args.calls, args.seed), classifier, load_rubric(args.rubric))
    except EmocxError as error:
        print(f"grade_quality: {error}", file=sys.stderr)
        return 2
    if args.plot:
        plot(result, args.plot)
    print(json.dumps(result, indent=2) if args.json else _text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
