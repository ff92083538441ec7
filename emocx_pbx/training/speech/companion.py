"""Gives a speech model a companion: a copy of a lighter model's network beside it, as a new version."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from emocx_pbx.emotion.card import Card, checksum
from emocx_pbx.emotion.companion import FILE, companion_of, recipe_of
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.errors import ModelError
from emocx_pbx.training.base import KERAS
from emocx_pbx.training.speech.card import write_card_text

_CARD_FILES = ("card.json", "card.md")


def with_companion(
    base: ModelFolder, light: ModelFolder, out: Path, share: float, sharpness: float
) -> ModelFolder:
    """A new version of `base` in the folder of models `out`, with `light` as its companion.

    `share` and `sharpness` are chosen by `benchmarks/companion.py`. What was measured for plain readings
    still holds; what was measured for calls does not, and is removed from the card. Raises ModelError if
    `light` has several networks, or the new card would not be valid.
    """
    names = light.card.recipe.get("networks", ["model.tflite"])
    if len(names) != 1:
        raise ModelError(f"{light.card.title}: a companion is one network, not {len(names)}")
    versions = Registry(out).versions("speech", base.card.name)
    folder = out / "speech" / base.card.name / str(max([int(v) for v in versions], default=0) + 1)
    folder.mkdir(parents=True)
    for path in base.path.iterdir():
        if path.is_file() and path.name not in (*_CARD_FILES, FILE):
            shutil.copyfile(path, folder / path.name)
    shutil.copyfile(light.path / names[0], folder / FILE)
    return ModelFolder(folder, _card(base.card, light.card, folder, share, sharpness))


def kept(base: ModelFolder, card: Card, folder: Path) -> Card:
    """The card of a model tuned from `base` in `folder`, with the companion of `base`, where it has one."""
    if companion_of(base.card) is None:
        return card
    shutil.copyfile(base.path / FILE, folder / FILE)
    return replace(
        card,
        recipe={**card.recipe, "companion": base.card.recipe["companion"]},
        sha256={**card.sha256, FILE: base.card.sha256[FILE]},
    )


def _card(base: Card, light: Card, folder: Path, share: float, sharpness: float) -> Card:
    of_calls = ("cascade",)
    card = replace(
        base,
        version=folder.name,
        recipe={**base.recipe, "companion": recipe_of(light, share, sharpness)},
        sha256={**base.sha256, FILE: checksum(folder / FILE)},
        tuning={KERAS: base.tuning[KERAS]} if KERAS in base.tuning else {},
        figures={name: found for name, found in base.figures.items() if name not in of_calls},
    )
    companion_of(card)
    card.write(folder)
    write_card_text(folder, card)
    return card
