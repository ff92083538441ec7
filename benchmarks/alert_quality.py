"""How good alerts are on calls with known signals: raised when the true signals call for it, and only then.

    python -m benchmarks.alert_quality [--data ../shared/data] [--split test] [--calls 208] [--json]

Each rule is watched on every call's true labels, and on the speech model's readings: on those made at the
usual intervals (`usual`), and on those made sooner where a rule may be met (`sooner`, as the service does). A
call is right when both raise an alert or neither does. `late` is how much later in the call (in seconds)
the model's alert was due by its readings than the true one, and `told` how much later the reading was
complete that told so; median and 90th percentile.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.grade_calls import assemble
from benchmarks.grade_quality import readings_of
from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.alerts.watch import CallWatch
from emocx_pbx.domain import Reading
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import load_speech
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.speech.data import read_clips

RULES: Final = (
    *(
        AlertRule(name=f"{when} {length:g} s, {sure:g}", when=when, for_s=length, min_confidence=sure)
        for when in ("angry", "upset")
        for length in (10.0, 20.0)
        for sure in (0.0, 0.6, 0.8)
    ),
    *(
        AlertRule(name=f"falling {by:g} in {length:g} s", when="falling", for_s=length, by=by)
        for by in (0.4, 0.6)
        for length in (8.0, 12.0)
    ),
)


#: By which rules a call's readings are hurried.
WATCHED: Final[Mapping[str, Sequence[AlertRule]]] = {"usual": (), "sooner": RULES}
#: Call time at which an alert was due, and at which the reading that told so was complete.
First = tuple[float, float]


def first_alert(rule: AlertRule, readings: Sequence[Reading]) -> First | None:
    """The first alert, if any."""
    watch = CallWatch([rule])
    for reading in readings:
        for change in watch.read(reading):
            return change.t1, reading.t1
    return None


def figures(pairs: Sequence[tuple[First | None, First | None]]) -> dict[str, Any]:
    """Of (true, given) first alerts."""
    due = [given for true, given in pairs if true is not None]
    quiet = [given for true, given in pairs if true is None]
    both = [(true[0], given) for true, given in pairs if true is not None and given is not None]
    late, told = (sorted(given[i] - true for true, given in both) for i in (0, 1))
    return {
        "calls": len(pairs),
        "due": len(due),
        "recall": round(sum(g is not None for g in due) / len(due), 3) if due else None,
        "false_alarms": round(sum(g is not None for g in quiet) / len(quiet), 3) if quiet else None,
        **{
            f"{name}_s_{place}": round(value, 1)
            for name, values in (("late", late), ("told", told))
            if values
            for place, value in (
                ("median", statistics.median(values)),
                ("p90", values[int(0.9 * (len(values) - 1))]),
            )
        },
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="How alerts fare on calls of known course.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="test", help="of clips.csv (dev while choosing, test to report)")
    parser.add_argument("--calls", type=int, default=208)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", default="auto")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        clips = read_clips(args.data / "speech" / "clips.csv", split=args.split).clips
        classifier = load_speech(Registry(None), args.model)
        calls = [
            (call.truth, [readings_of(call, classifier, alerts)[0] for alerts in WATCHED.values()])
            for call in assemble(clips, args.calls, args.seed)
        ]
    except EmocxError as error:
        print(f"alert_quality: {error}", file=sys.stderr)
        return 2
    result = {
        f"{rule.name}, {name}": figures([(first_alert(rule, t), first_alert(rule, r[i])) for t, r in calls])
        for rule in RULES
        for i, name in enumerate(WATCHED)
    }
    if args.json:
        print(json.dumps({"model": classifier.name, "split": args.split, "rules": result}))
    else:
        courses = [f"{name}, {place}" for name in ("late", "told") for place in ("median", "p90")]
        head = ["rule", "calls", "due", "recall", "false alarms", *courses]
        print(" | ".join(head))
        for name, row in result.items():
            print(" | ".join([name, *(str(value) for value in row.values())]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
