"""The README's table of recognition: every shipped model's figures on its test set, from the models' cards.

    python -m benchmarks.recognition [--models-dir DIR] [--data ../shared/data] [--no-topics] [--json]
                                     [--texts FILE]

Cards hold what was measured on the very files beside them when they were made; `evaluate speech` and
`evaluate text` measure the same anew. Texts may be cleaned otherwise since then: with FILE, what `evaluate
text --data DIR --json` printed, its sets take the place of the card's. Topics have no weights of their own
and are measured here.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, Final

from benchmarks import topics
from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.errors import EmocxError

HEAD: Final = ("model", "measured on", "UAR", "recall angry / neutral / disappointed / happy",
               "calibration error", "coverage", "UAR of the surest 70 %", "further")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    model: str
    measured_on: str
    uar: float | None = None
    recall: tuple[float, ...] = ()
    ece: float | None = None
    coverage: float | None = None
    surest: float | None = None
    further: str = ""

    def cells(self) -> tuple[str, ...]:
        """As the table shows it."""
        numbers = [_short(n) for n in (self.ece, self.coverage, self.surest)]
        return (self.model, self.measured_on, _short(self.uar),
                " / ".join(_share(r) for r in self.recall), *numbers, self.further)  # fmt: skip


def rows_of(registry: Registry, anew: Mapping[str, Any] | None = None) -> list[Row]:
    """The rows of all models that a registry has; `anew`: what a text model's sets gave now."""
    rows: list[Row] = []
    for name in registry.names("speech"):
        card = registry.find("speech", name).card
        test = card.figures.get("test", {})
        if not test:
            continue
        each = ", ".join(f"{corpus} {_short(f['uar'])}" for corpus, f in test["corpora"].items())
        rows.append(_row(card.title, f"speech, {len(test['corpora'])} corpora", test["pooled"], each))
        rows += _adaptation(card.title, card.figures.get("adaptation", {}))
        rows += _unheard(card.title, card.figures.get("leave_one_out", {}))
    for name in registry.names("text"):
        card = registry.find("text", name).card
        figures = measured_anew(card, anew or {})
        test = figures.get("test", {})
        if test:
            rows.append(_row(card.title, "text, goemotions4", test, f"macro-F1 {_short(test['macro_f1'])}"))
        rows += [
            _row(card.title, f"text, {_set(name)}", found, _upset(found["upset"]))
            for name, found in figures.items()
            if isinstance(found, Mapping) and "upset" in found and name != "test"
        ]
    return rows


def measured_anew(card: Card, anew: Mapping[str, Any]) -> Mapping[str, Any]:
    """A card's figures, with those of the same sets that were measured now in their place."""
    if anew.get("model") != card.title:
        return card.figures
    sets = {"test" if name == "goemotions4" else f"{name}, test": f for name, f in anew["sets"].items()}
    return {name: sets.get(name, figures) for name, figures in card.figures.items()}


def _set(name: str) -> str:
    """What a card's set is called here: its test set is GoEmotions'."""
    return name.replace("test", "goemotions4", 1) if name.startswith("test") else name


def _upset(found: Mapping[str, Any]) -> str:
    """Upset or not: AUC with its interval, found and false alarms at the threshold."""
    auc = found["auc"]
    if auc["value"] is None:
        return ""
    between = f"{_short(auc['low'])} to {_short(auc['high'])}"
    shares = f"found {_short(found['found']['value'])}, false alarms {_short(found['false_alarms']['value'])}"
    return f"upset AUC {_short(auc['value'])} ({between}); at {found['threshold']:g} {shares}"


def _row(model: str, measured_on: str, found: Mapping[str, Any], further: str) -> Row:
    # Spanish has no neutral texts.
    recall = tuple(float(found["recall"].get(str(label), "nan")) for label in LABELS)
    return Row(model, measured_on, found["uar"], recall, found.get("ece"), found.get("coverage"),
               found.get("uar_70_most_confident"), further)  # fmt: skip


def _adaptation(model: str, found: Mapping[str, Any]) -> list[Row]:
    if "test" not in found:
        return []
    where = f"{found['earlier_clips']} earlier clips of the caller"
    test = found["test"]
    return [
        Row(model, f"{where}, of mixed emotions", test["mixed"]),
        Row(model, f"{where}, of this emotion only", test["one_emotion"]),
    ]


def _unheard(model: str, found: Mapping[str, Any]) -> list[Row]:
    corpora = found.get("corpora", {})
    if not corpora:
        return []
    each = ", ".join(f"{name} {_short(f['uar'])}" for name, f in corpora.items())
    mean = fmean(float(f["uar"]) for f in corpora.values())
    return [Row(model, "corpora left out of training, mean", mean, further=each)]


def topic_row(data: Path, draws: int = 3) -> Row:
    """Topics from twenty random examples each, mean of several draws."""
    runs = [topics.measure(data / "text" / "clinc150", "test", s, by_meaning=True, spread=False)
            for s in range(draws)]  # fmt: skip
    accuracy, refused = (fmean(run[key] for run in runs) for key in ("accuracy", "oos_recall"))
    further = f"accuracy {_short(accuracy)}, out-of-scope recall {_short(refused)}"
    return Row("topics", "clinc150, 10 domains, 20 examples each", further=further)


def _share(recall: float) -> str:
    return "-" if math.isnan(recall) else f"{recall:.2f}".lstrip("0")


def _short(number: float | None) -> str:
    return "" if number is None else f"{number:.3f}".lstrip("0")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="The README's table of recognition.")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--texts", type=Path, help="what `evaluate text --data DIR --json` printed")
    parser.add_argument("--no-topics", action="store_true", help="leave out what has to be measured first")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        anew = json.loads(args.texts.read_bytes()) if args.texts else None
        rows = rows_of(Registry(args.models_dir), anew)
        if not args.no_topics:
            rows.append(topic_row(args.data))
    except (EmocxError, OSError, ValueError) as error:
        print(f"recognition: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        lines = [HEAD, ("---",) * len(HEAD), *(row.cells() for row in rows)]
        print("\n".join("| " + " | ".join(cells) + " |" for cells in lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
