"""The Keras file of an earlier model, from which further training starts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from emocx_pbx.emotion.card import checksum, read_card
from emocx_pbx.errors import ModelError
from emocx_pbx.weights.catalogue import TUNING
from emocx_pbx.weights.places import default_weights_dir

#: Its name in a model's folder.
KERAS: Final = "model.keras"


def keras_file(base: Path) -> Path:
    """The Keras file of the model in the folder `base`: in that folder or, for a shipped model, among the
    fetched weights.

    Raises ModelError if it is missing or damaged.
    """
    card, beside = read_card(base), base / KERAS
    expected = card.tuning.get(KERAS) or card.sha256.get(KERAS)
    if expected is None:
        raise ModelError(f"{base}: no {card.kind} model with a {KERAS} to start from")
    fetched = [default_weights_dir() / file.name for file in TUNING.files if file.sha256 == expected]
    for path in (beside, *fetched):
        if not path.is_file():
            continue
        if checksum(path) != expected:
            raise ModelError(f"{path}: damaged: its sha256 is not the card's")
        return path
    how = f"emocx-pbx models fetch {TUNING.name}" if fetched else "copy it there from where it was trained"
    raise ModelError(f"{beside} is not here: {how}")
