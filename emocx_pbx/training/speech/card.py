"""The card of a speech model as a page for people: card.md, generated from card.json."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card

_USE = {
    "mlp": "Dense layers on the classic features (40 MFCC, 12 chroma, 128 mel) of each window: the cheapest.",
    "cnn": "Convolutions on log-mel: for hosts without the package of the extra 'voice'.",
    "voice": "Statistics of lower layers of two frozen Whisper encoders: the default with its packages.",
}
_SPEAKERS = {
    "dev": "Dev speakers",
    "test": "Test speakers",
    "out_of_fold": "Train and dev speakers, each answered for by heads that never heard them",
}
_MEASURED = ("corpus", "clips", "UAR", "accuracy", "F1", *map(str, LABELS), "ECE", "coverage",
             "UAR of the 70 % most confident", "ms a clip")  # fmt: skip


def write_card_text(folder: Path, card: Card) -> None:
    """Write card.md."""
    (folder / "card.md").write_text(card_text(card), encoding="utf-8")


def card_text(card: Card) -> str:
    """The page, in Markdown."""
    lines = [
        f"# Speech model {card.title}",
        "",
        _USE.get(card.name, ""),
        "",
        "**Intended use:** signals of emotion in telephone speech, for routing and for grading calls; not a",
        "statement of what a person feels, and not for decisions about a person on its own.",
        "",
        f"**Licence:** {card.licence}",
        "",
        f"**Data:** {', '.join(card.data.get('corpora', []))}; clips {card.data.get('clips')}; "
        f"{card.data.get('protocol', '')}. Acted or prompted speech: real callers are subtler. "
        "The corpora's *sad* stands for *disappointed*.",
        "",
        f"**Calibration:** temperature {card.temperature}, uncertain under {card.threshold}, both from "
        "speakers that are not in the test.",
        "",
        *_companion(card.recipe.get("companion")),
    ]
    for split, found in card.figures.items():
        if isinstance(found, dict) and "pooled" in found:
            rows = [
                _measured(name, row) for name, row in (("pooled", found["pooled"]), *found["corpora"].items())
            ]
            lines += [f"## {_SPEAKERS.get(split, split)}", "", *_table(_MEASURED, rows), ""]
    lines += ["![confusion](confusion.png) ![reliability](reliability.png) ![training](training.png)", ""]
    lines += _callers(card.figures.get("adaptation", {}))
    lines += _left_out(card.figures.get("leave_one_out", {}))
    lines += _cascade(card.figures.get("cascade", {}))
    if misread := card.figures.get("misread"):
        head = ("speaker", "true", "said", "clips", "of")
        lines += ["## Known failures: emotions of test speakers that are often taken for another", ""]
        lines += [*_table(head, [[one[key] for key in head] for one in misread]), ""]
        # What was found out about them, if anything.
        lines += [line for remark in card.figures.get("remarks", []) for line in (remark, "")]
    if worst := card.figures.get("worst"):
        rows = [
            (w["corpus"], w["source"], w["true"], w["said"], f"{w['probability_of_true']:.3f}") for w in worst
        ]
        lines += ["## The twenty worst test clips", ""]
        lines += [*_table(("corpus", "clip", "true", "said", "p(true)"), rows), ""]
    return "\n".join(lines)


def _companion(entry: Mapping[str, Any] | None) -> list[str]:
    """What else contributes to the model's readings; nothing if there is nothing else."""
    if entry is None:
        return []
    return [
        f"**In calls** it has a companion of {entry['of']}: {entry['share']:.0%} of the mean of both models' "
        f"probabilities, and the mean's logarithms are multiplied by {entry['sharpness']:g}, both as far as "
        "the recording is like those learnt from; adaptation to the caller follows (`python -m "
        "benchmarks.companion`). Figures of clips, of callers made of clips and of corpora left out are "
        "the model's alone.",
        "",
    ]


def _measured(name: str, row: Mapping[str, Any]) -> Sequence[object]:
    shares = (row["uar"], row["accuracy"], row["macro_f1"])
    recalls = (row["recall"][str(label)] for label in LABELS)
    return (
        name,
        row["clips"],
        *(f"{share:.3f}" for share in shares),
        *(f"{recall:.2f}" for recall in recalls),
        f"{row['ece']:.3f}",
        f"{row['coverage']:.2f}",
        f"{row['uar_70_most_confident']:.3f}",
        row.get("ms_per_clip", ""),
    )


def _callers(adaptation: Mapping[str, Any]) -> list[str]:
    """What adaptation does for callers assembled from clips; nothing if that was not measured."""
    rows = [
        (
            _SPEAKERS.get(split, split),
            *(f"{found[kind]:.3f}" for kind in ("unadapted", "mixed", "one_emotion")),
        )
        for split, found in adaptation.items()
        if isinstance(found, dict)
    ]
    if not rows:
        return []
    title = f"## Callers of whom {adaptation['earlier_clips']} clips were heard before (UAR)"
    return [title, "", *_table(("speakers", "unadapted", "mixed emotions", "one emotion only"), rows), ""]


def _cascade(found: Mapping[str, Any]) -> list[str]:
    """What is lost under load, when a lighter model hears part of the windows; nothing if that was not
    measured.
    """
    if not found:
        return []
    rows = []
    for run in found["efforts"]:
        grades, recognition = run["grades"], run["recognition"]
        recalls = " / ".join(f"{r:.2f}" for r in recognition["recall"].values())
        rows.append(
            (
                f"{run['accurate_share']:.2f}",
                f"{recognition['uar']:.3f}",
                recalls,
                f"{recognition['ece']:.3f}",
                f"{run['equal']:.3f}",
                f"{run['difference']:.1f}",
                f"{grades['spearman']:.3f}",
                f"{grades['mae']:.1f}",
            )
        )
    head = ("share of windows", "UAR", "recalls", "ECE", "same answer", "grades apart", "Spearman", "MAE")
    return [
        f"## Under load, with {found['light']} for the other windows",
        "",
        f"{found['calls']} calls assembled of {found['split']} speakers (`python -m benchmarks.cascade`). "
        "Recognition and calibration are of windows of one emotion; grades are compared with those of this "
        "model everywhere (points apart), and with those of the true labels (Spearman, MAE).",
        "",
        *_table(head, rows),
        "",
    ]


def _left_out(found: Mapping[str, Any]) -> list[str]:
    """Each corpus by a model that never heard it; nothing if that was not measured."""
    if not found:
        return []
    rows = [
        (name, f["clips"], f"{f['uar']:.3f}", *(f"{r:.2f}" for r in f["recall"].values()), f"{f['ece']:.3f}")
        for name, f in found["corpora"].items()
    ]
    rows.append(("mean", "", f"{found['mean_uar']:.3f}", *[""] * (len(LABELS) + 1)))
    head = ("corpus", "clips", "UAR", *map(str, LABELS), "ECE")
    return ["## Each corpus by a model that never heard it", "", *_table(head, rows), ""]


def _table(head: Sequence[object], rows: Sequence[Sequence[object]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(map(str, line)) + " |" for line in lines]
