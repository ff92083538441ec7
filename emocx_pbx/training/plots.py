"""Small pictures of a model's confusions, calibration and training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.training.figures import confusion

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]


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


def _write(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.tight_layout()
    figure.savefig(path, dpi=70, metadata={"Software": None})
    plt.close(figure)
