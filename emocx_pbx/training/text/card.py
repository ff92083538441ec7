"""The card of a text model for people: card.md, and its pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.training import plots
from emocx_pbx.training.text.data import LabelledTexts

_HEAD = (
    "| set | texts | macro-F1 | UAR | accuracy | angry | neutral | disappointed | happy | ECE | coverage"
    " | upset found | false alarms | ms |"
)

KNOWN_FAILURES = """**Known failures:** the border of anger and neutral is the weakest: dry disapproval, short
commands and plain statements of a failure ("still on hold", "where is my refund") are often read as neutral;
sarcasm without a marker and "thanks ... but it still does not work" as happy; apologies and denied feelings
("I am not angry, just asking") by their words; typing slips in the decisive word hide it."""


def write_text_card(
    folder: Path,
    card: Card,
    shown: LabelledTexts,
    probabilities: npt.NDArray[np.float32],
    curves: Sequence[Sequence[float]],
    name: str,
) -> None:
    """Write card.md, confusion.png, reliability.png and training.png; `shown` is the set `name`."""
    plots.pictures(
        folder, shown.labels, probabilities, curves, f"{name} texts", ("training, with soft targets", "dev")
    )
    head = card.recipe.get("head")
    lines = [
        f"# Text model {card.title}",
        "",
        "A bidirectional LSTM over word pieces: signals of emotion in a customer's first words.",
        "",
        "**Intended use:** choosing a queue for a first message, with a default for every doubt. Signals in",
        "the words; not a statement of what a person feels, and not for decisions about a person.",
        f'Languages: {", ".join(card.languages)}. A text surely in another is answered "uncertain".',
        *(_of_head(head) if head else ()),
        "",
        f"**Licence:** {card.licence}",
        "",
        "**Data:**",
        *(f"- {key}: {value}" for key, value in card.data.items()),
        "",
        f"**Calibration:** temperature {card.temperature}, uncertain under {card.threshold}.",
        "",
        "**Protocol:** official splits; dev chooses, test is only reported; figures of the files as served.",
        "`upset` counts angry and disappointed together: found when they outweigh the rest.",
        "",
        _HEAD,
        "|---" * (_HEAD.count("|") - 1) + "|",
        *(_row(title, row) for title, row in card.figures.items()),
        "",
        *_upset_table(card.figures),
        "![confusion](confusion.png) ![reliability](reliability.png) ![training](training.png)",
        "",
        KNOWN_FAILURES,
        "",
        f"**Cost:** {sum(p.stat().st_size for p in folder.glob('model.*')) / 1e6:.1f} MB of weights;",
        "milliseconds of a text in the table, in the code of serving, one thread of the training machine.",
        "",
        f"## The twenty worst texts of the {name} set",
        "",
        "| text | true | said | p(true) |",
        "|---|---|---|---|",
        *worst_texts(shown, probabilities),
        "",
    ]
    (folder / "card.md").write_text("\n".join(lines), encoding="utf-8")


def _of_head(head: Mapping[str, Any]) -> list[str]:
    """What is used beside the network."""
    shown = ", ".join(f"{code} {value:.2f}" for code, value in head["dev_upset_auc"].items()) or "none"
    return [
        "",
        f"**Second voice:** a head on multilingual USE ({head['encoder']}, extra `languages`). In English",
        f"it is averaged with the network at {head['share']:.0%}; in languages that it was shown to serve it",
        f"answers alone (upset AUC on dev: {shown}). Without the package the network answers by itself, in",
        "English only.",
    ]


def _upset_table(figures: Mapping[str, Any]) -> list[str]:
    """Upset or not, with 95 % intervals; a row for each set."""
    rows = {title: row["upset"] for title, row in figures.items() if isinstance(row, dict) and "upset" in row}
    if not rows:
        return []
    threshold = next(iter(rows.values()))["threshold"]
    return [
        f"**Upset** (angry or disappointed) by P(upset), at {threshold:g}, with 95 % intervals by bootstrap;",
        "`at 5 %`: found where 5 % of the calm are false alarms.",
        "",
        "| set | texts | AUC | found | false alarms | at 5 % | UAR of four | calibration error |",
        "|---" * 8 + "|",
        *(
            f"| {title} | {row['n']} | "
            + " | ".join(_interval(row[k]) for k in ("auc", "found", "false_alarms", "found_at_5", "uar"))
            + f" | {row['calibration']:.3f} |"
            for title, row in rows.items()
        ),
        "",
    ]


def _interval(found: Mapping[str, float | None]) -> str:
    value, low, high = found["value"], found["low"], found["high"]
    if value is None or low is None or high is None:
        return "-"
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def worst_texts(texts: LabelledTexts, probabilities: npt.NDArray[np.float32], count: int = 20) -> list[str]:
    """Table rows of the texts whose true class got the lowest probability."""
    truth = texts.labels
    given = probabilities[np.arange(len(truth)), truth]
    rows = []
    for i in np.argsort(given, kind="stable")[:count]:
        text = " ".join(texts.texts[i].split()).replace("|", "/")
        said = LABELS[int(probabilities[i].argmax())]
        rows.append(f"| {text[:100]} | {LABELS[truth[i]]} | {said} | {given[i]:.3f} |")
    return rows


def _row(title: str, row: object) -> str:
    if not isinstance(row, dict):
        return f"| {title} | {row} |"
    each = " | ".join(f"{row['recall'].get(str(label), float('nan')):.2f}" for label in LABELS)
    found, alarms = (
        float("nan") if row[k] is None else row[k] for k in ("upset_recall", "upset_false_alarms")
    )
    return (
        f"| {title} | {row['n']} | {row['macro_f1']:.3f} | {row['uar']:.3f} | {row['accuracy']:.3f} | {each}"
        f" | {row['ece']:.3f} | {row['coverage']:.2f} | {found:.2f} | {alarms:.2f}"
        f" | {row['ms_per_text']:.1f} |"
    )
