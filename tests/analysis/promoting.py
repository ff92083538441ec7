"""Models of which a cluster promotes a version, and how it does."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from emocx_pbx.analysis.cluster.model_shelf import ModelShelf
from emocx_pbx.analysis.cluster.spreading import Spreading
from emocx_pbx.deeds.models import Switched, promote
from emocx_pbx.emotion.registry import Registry, default_models_dir
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.wire.bus import Bus

BY = Actor("system", "tests")


def models(folder: Path, *versions: str) -> Path:
    """A folder with mlp/3, which is in use, and the same as other versions."""
    shipped = default_models_dir() / "speech" / "mlp" / "3"
    for version in ("3", *versions):
        place = folder / "speech" / "mlp" / version
        shutil.copytree(shipped, place)
        card = json.loads((place / "card.json").read_text())
        (place / "card.json").write_text(json.dumps({**card, "version": version}))
    Registry(folder).pin("speech", "mlp", "3")
    return folder


def spreading(bus: Bus, prepare_s: float = 100.0) -> Spreading:
    return Spreading(bus, ModelShelf(bus), prepare_s)


async def promoted(registry: Registry, spread: Spreading, version: str = "4") -> Switched:
    return await promote(registry, None, "speech", "mlp", version, "better", 5.0, BY, spread=spread)


async def in_use(bus: Bus) -> int:
    return (await ModelShelf(bus).in_use())[0].number
