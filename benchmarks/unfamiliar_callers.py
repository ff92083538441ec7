"""Whether a caller who is angry from the first word is recognised, on a line that the model never heard.

    python -m benchmarks.unfamiliar_callers [--site 60] [--mix calls|even] [--speakers all|learn|test]
                                            [--data ../shared/data] [--cache DIR] [--seed 1] [--json]

Calls of 30 s of speech are assembled from the clips of each speaker of a corpus left out (see
benchmarks/left_out.py): angry from the first word to the last, and, of the same speakers, neutral,
disappointed and happy ones. The product's session, its line's zero (learnt from `--site` readings of other
speakers of the corpus) and its alert rules hear them. *Recall*: angry calls that are told within their 30 s.
*False alarms*: the same of neutral calls, and of the disappointed and happy ones. Means over corpora.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from benchmarks.left_out import LeftOut, left_out_answers
from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.domain import LABELS, Reading, Scores
from emocx_pbx.emotion.adaptation import Adaptation, AdaptationInputs, CallerSession
from emocx_pbx.emotion.levels import caller_counts, level_at
from emocx_pbx.emotion.zero import MIXES, caller_sums, offsets_of
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.figures import softmax
from emocx_pbx.training.signals import intervals
from emocx_pbx.training.speech.sites import check_size, site_rows
from emocx_pbx.training.speech.voice import ADAPTATION

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

SPEECH_S: Final = 30.0
#: Calls of each speaker and emotion.
CALLS: Final = 3
#: Neutral speech expected by a session on a line not known yet (the settings' default), and on a known one.
SHARE: Final = 0.35
SHARE_ZEROED: Final = 0.25


@dataclass(frozen=True, slots=True)
class Call:
    """One call of one speaker, whose whole speech shows one emotion."""

    voice: str
    label: int
    rows: Ints
    """Clips, each heard as one reading."""
    offsets: tuple[float, ...]
    """Of the speaker's line, as learnt from others."""
    counts: tuple[float, ...]
    """Of the line's answers, for percentiles."""
    centre: Floats
    """(d,) that the line's site heads hear readings less."""


def assembled(asked: LeftOut, size: int, mix: str, chosen: npt.NDArray[np.bool_], seed: int) -> list[Call]:
    """Calls of the chosen clips' speakers, each with a line of `size` other callers."""
    rng = np.random.default_rng(seed)
    calls = []
    for voice in np.unique(asked.voices[chosen]):
        corpus = str(voice).split("/")[0]
        others = np.flatnonzero((asked.corpora == corpus) & (asked.voices != voice))
        heads = asked.placed.heads[corpus]
        for label in range(len(LABELS)):
            own = np.flatnonzero((asked.voices == voice) & (asked.labels == label))
            if not own.size or not others.size:
                continue
            for _ in range(CALLS):
                rows: list[int] = []
                while asked.seconds[rows].sum() < SPEECH_S:
                    rows += rng.permutation(own).tolist()
                inputs = int(np.searchsorted(np.cumsum(asked.seconds[rows]), SPEECH_S)) + 1
                site = others[site_rows(asked.labels[others], asked.voices[others], size, mix, rng)]
                answers = [[float(p) for p in asked.probabilities[i]] for i in site]
                sums = np.sum([caller_sums([a]) for a in answers], axis=0)
                counts = np.sum([caller_counts([a]) for a in answers], axis=0)
                calls.append(
                    Call(
                        str(voice),
                        label,
                        np.array(rows[:inputs]),
                        offsets_of(sums.tolist(), MIXES[mix]),
                        tuple(counts.tolist()),
                        heads.centre(asked.placed.places[site].mean(axis=0), MIXES[mix]),
                    )
                )
    return calls


def readings_of(asked: LeftOut, call: Call, in_session: bool, zeroed: bool) -> list[Reading]:
    """What the session says (as in emotion/speech.py), or what the model says of each clip alone."""
    plain = asked.probabilities[call.rows]
    log_p = np.log(np.maximum(plain, 1e-9))
    corrected = log_p
    if zeroed:
        heads = asked.placed.heads[call.voice.split("/")[0]]
        less = asked.placed.places[call.rows] - call.centre
        corrected = log_p + np.array(call.offsets, np.float32)
        corrected = heads.beside_plain(corrected, less, asked.known[call.rows])
    said = softmax(corrected)
    if in_session:
        adaptation = Adaptation.of(asked.priors[call.voice.split("/")[0]], ADAPTATION)
        points = adaptation.prior.points(asked.contrasts[call.rows], log_p)
        nowhere = np.zeros((len(log_p), 0), np.float32)
        session = CallerSession(adaptation, SHARE_ZEROED if zeroed else SHARE)
        inputs = AdaptationInputs(corrected, points, nowhere, asked.known[call.rows])
        said = softmax(np.array([session.hear(inputs, i) for i in range(len(log_p))]))
    readings, at = [], 0.0
    for p, q, row in zip(said, plain, call.rows, strict=True):
        seconds = float(asked.seconds[row])
        a, n, d, h = (float(x) for x in q)
        scores = Scores(Scores.of([float(x) for x in p]).probabilities, 0.0, (a, n, d, h))
        readings.append(Reading(at, at + seconds, seconds, scores, "voice"))
        at += seconds
    return readings


def rules() -> list[AlertRule]:
    """Fixed rules, and rules by the line's percentile."""
    return [
        *(
            AlertRule(name=f"angry {length:g} s, {sure:g}", when="angry", for_s=length, min_confidence=sure)
            for length in (6.0, 10.0)
            for sure in (0.0, 0.5)
        ),
        *(
            AlertRule(name=f"angry {length:g} s, percentile {q:g}", when="angry", for_s=length, percentile=q)
            for length in (6.0, 10.0)
            for q in (85.0, 90.0, 93.0, 95.0)
        ),
    ]


def is_told(rule: AlertRule, call: Call, readings: Sequence[Reading]) -> bool:
    """Whether the rule raises an alert within SPEECH_S of speech."""

    def level(asked: AlertRule, model: str) -> float | None:
        return level_at(call.counts, asked.when, asked.percentile or 0.0)

    watch = CallWatch([rule], level)
    return any(change.t1 <= SPEECH_S for reading in readings for change in watch.read(reading))


def figures(calls: Sequence[Call], observed: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Recall and false alarms, means over corpora, with intervals over speakers."""
    voices = np.array([c.voice for c in calls])
    corpora = np.array([v.split("/")[0] for v in voices])
    labels = np.array([c.label for c in calls])

    def share(rows: Ints, among: Sequence[int]) -> float | None:
        means = []
        for corpus in np.unique(corpora[rows]):
            own = rows[(corpora[rows] == corpus) & np.isin(labels[rows], among)]
            if own.size:
                means.append(float(observed[own].mean()))
        return float(np.mean(means)) if means else None

    def measure(rows: Ints) -> dict[str, float | None]:
        return {"recall": share(rows, [0]), "neutral": share(rows, [1]), "others": share(rows, [2, 3])}

    found = measure(np.arange(len(calls)))
    worst = max(float(observed[(corpora == c) & (labels == 1)].mean()) for c in np.unique(corpora))
    return {**found, "worst_neutral": worst, "interval_90": intervals(voices, measure)}


def measure(asked: LeftOut, calls: Sequence[Call], tell: Callable[[int, int], None]) -> dict[str, Any]:
    """Every way of hearing the calls, by every rule that goes with it."""
    ways = [
        (f"{'session' if in_session else 'plain'}{', zero' if zeroed else ''}", in_session, zeroed)
        for in_session in (False, True)
        for zeroed in (False, True)
    ]
    found: dict[str, Any] = {}
    for done, (name, in_session, zeroed) in enumerate(ways):
        tell(done, len(ways))
        inputs = [readings_of(asked, call, in_session, zeroed) for call in calls]
        for rule in rules():
            # A percentile is of plain answers: the same whatever else is done.
            if rule.percentile is not None and name != "plain":
                continue
            observed = np.array([is_told(rule, c, r) for c, r in zip(calls, inputs, strict=True)])
            found[f"{name}: {rule.name}"] = figures(calls, observed)
    return found


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Callers angry from the first word on unfamiliar lines.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--cache", type=Path, help="keeps measured clips and answers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--site", type=int, default=60)
    parser.add_argument("--mix", choices=("calls", "even"), default="calls")
    parser.add_argument(
        "--speakers", choices=("all", "learn", "test"), default="learn",
        help="of the protocol: learn (train and dev) while choosing, test to report",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()

    def tell(done: int, total: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{done}/{total} ways", end="", file=sys.stderr)

    try:
        check_size(args.site, args.mix)
        asked = left_out_answers(args.data, args.seed, args.cache)
        chosen = {"all": np.ones(len(asked.test), bool), "learn": ~asked.test, "test": asked.test}
        calls = assembled(asked, args.site, args.mix, chosen[args.speakers], args.seed)
        result = measure(asked, calls, tell)
    except EmocxError as error:
        print(f"unfamiliar_callers: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"calls": len(calls), "speakers": args.speakers, "ways": result}, indent=1))
        return 0
    print("| heard: rule | recall | false alarms, neutral | worst corpus | disappointed and happy |")
    print("|---|---|---|---|---|")
    for name, f in result.items():
        spread = f["interval_90"]["recall"] or (float("nan"),) * 2
        print(f"| {name} | {f['recall']:.2f} ({spread[0]:.2f} to {spread[1]:.2f}) | {f['neutral']:.2f}"
              f" | {f['worst_neutral']:.2f} | {f['others']:.2f} |")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
