"""What people see of a model: card.md, and small pictures of its confusions, calibration and training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.card import Card
from emocx_pbx.training.data import Clip, labels_of
from emocx_pbx.training.figures import confusion

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

USE = {
    "mlp": "Dense layers on the classic features (40 MFCC, 12 chroma, 128 mel) of each window: the cheapest.",
    "cnn": "Convolutions on log-mel: for hosts without the packages of the extra 'voice'.",
    "voice": "Statistics of lower layers of two frozen Whisper encoders: the default with its packages.",
}


def worst_clips(clips: list[Clip], probabilities: Floats, count: int = 20) -> list[dict[str, Any]]:
    """The clips whose true class got the least probability, worst first."""
    truth = labels_of(clips)
    given = probabilities[np.arange(len(truth)), truth]
    return [
        {
            "corpus": clips[i].corpus,
            "source": clips[i].source,
            "true": str(LABELS[truth[i]]),
            "said": str(LABELS[int(probabilities[i].argmax())]),
            "probability_of_true": round(float(given[i]), 4),
        }
        for i in np.argsort(given, kind="stable")[:count]
    ]


def pictures(
    folder: Path,
    truth: Ints,
    probabilities: Floats,
    curves: Sequence[Sequence[float]],
    what: str = "test clips",
    names_of_curves: Sequence[str] = (),
) -> None:
    """Write confusion.png, reliability.png and training.png into the model's folder."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = [str(label) for label in LABELS]
    table = np.array(confusion(truth, probabilities, 0.0), float)[:, :4]
    share = table / np.maximum(table.sum(axis=1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(3.6, 3.2))
    axes.imshow(share, vmin=0, vmax=1, cmap="Blues")
    for i in range(4):
        for j in range(4):
            axes.text(
                j, i, f"{share[i, j]:.2f}", ha="center", va="center", color="w" if share[i, j] > 0.5 else "k"
            )
    axes.set_xticks(range(4), names, rotation=30)
    axes.set_yticks(range(4), names)
    axes.set(xlabel="said", ylabel="true", title=what)
    _write(figure, folder / "confusion.png")

    figure, axes = plt.subplots(figsize=(3.6, 3.2))
    best, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    bins = np.minimum((best * 10).astype(int), 9)
    used = [b for b in range(10) if (bins == b).sum() >= 5]
    axes.plot([0, 1], [0, 1], color="0.7")
    axes.plot([best[bins == b].mean() for b in used], [right[bins == b].mean() for b in used], "o-")
    axes.set(xlabel="confidence", ylabel="share right", xlim=(0.2, 1), ylim=(0.2, 1), title=what)
    _write(figure, folder / "reliability.png")

    figure, axes = plt.subplots(figsize=(3.6, 3.2))
    for curve in curves:
        axes.plot(range(1, len(curve) + 1), curve)
    if names_of_curves:
        axes.legend(names_of_curves)
    axes.set(xlabel="epoch", ylabel="loss", title="training")
    _write(figure, folder / "training.png")


def write_card_text(folder: Path, card: Card, worst: Sequence[dict[str, Any]]) -> None:
    """Write card.md: the card as a page for people."""
    lines = [
        f"# Speech model {card.title}",
        "",
        USE.get(card.name, ""),
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
    ]
    for split, found in card.figures.items():
        if not isinstance(found, dict) or "pooled" not in found:
            continue
        lines += [f"## {_SPEAKERS.get(split, split)}", "", _HEAD, "|---" * (_HEAD.count("|") - 1) + "|"]
        for name, row in [("pooled", found["pooled"]), *found["corpora"].items()]:
            each = " | ".join(f"{row['recall'][str(label)]:.2f}" for label in LABELS)
            lines.append(
                f"| {name} | {row['clips']} | {row['uar']:.3f} | {row['accuracy']:.3f}"
                f" | {row['macro_f1']:.3f} | {each}"
                f" | {row['ece']:.3f} | {row['coverage']:.2f} | {row['uar_70_most_confident']:.3f}"
                f" | {row.get('ms_per_clip', '')} |"
            )
        lines.append("")
    lines += ["![confusion](confusion.png) ![reliability](reliability.png) ![training](training.png)", ""]
    if worst:
        lines += [
            "## The twenty worst test clips",
            "",
            "| corpus | clip | true | said | p(true) |",
            "|---|---|---|---|---|",
        ]
        lines += [
            f"| {w['corpus']} | {w['source']} | {w['true']} | {w['said']} | {w['probability_of_true']:.3f} |"
            for w in worst
        ]
        lines.append("")
    (folder / "card.md").write_text("\n".join(lines), encoding="utf-8")


_SPEAKERS = {
    "dev": "Dev speakers",
    "test": "Test speakers",
    "out_of_fold": "Train and dev speakers, each answered for by heads that never heard them",
}
_HEAD = (
    "| corpus | clips | UAR | accuracy | F1 | angry | neutral | disappointed | happy | ECE | coverage"
    " | UAR of the 70 % most confident | ms |"
)


def _write(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(path, dpi=70, metadata={"Software": None})
    plt.close(figure)
