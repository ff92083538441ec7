"""Gives a speech model heads on measurements less a site's centre, as a new version."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from emocx_pbx.emotion.card import checksum
from emocx_pbx.emotion.centred import Centred
from emocx_pbx.emotion.registry import ModelFolder, Registry
from emocx_pbx.emotion.speech import CALLER
from emocx_pbx.errors import ModelError
from emocx_pbx.training.speech import voice
from emocx_pbx.training.speech.card import write_card_text
from emocx_pbx.training.speech.data import read_clips
from emocx_pbx.training.speech.site_heads import fit_site
from emocx_pbx.training.speech.train import find_clips

_CARD_FILES = ("card.json", "card.md")


def with_site_heads(
    base: ModelFolder,
    data: Path,
    out: Path,
    seed: int,
    cache: Path | None = None,
    tell: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> ModelFolder:
    """A new version of `base` in the folder of models `out`, with heads taught on DATA's train and dev clips.

    Everything else is as it was, and so are answers without a site. Raises ModelError for a model without
    places of measurements, InputError for data without clips.
    """
    if CALLER not in base.card.sha256:
        raise ModelError(f"{base.card.title} knows no callers' places")
    with np.load(base.path / CALLER, allow_pickle=False) as stored:
        arrays = dict(stored)
    centred = Centred.of(arrays)
    if centred is None:
        raise ModelError(f"{base.card.title} knows no callers' places")
    clips = [c for c in read_clips(find_clips(data)).clips if c.split != "test"]
    x = voice.measure(base.card.recipe, clips, voice.VARIANTS, seed, tell, cache)
    heads = fit_site(np.stack([centred.places(variant) for variant in x]), clips, voice.FITS, seed)
    versions = Registry(out).versions("speech", base.card.name)
    folder = out / "speech" / base.card.name / str(max([int(v) for v in versions], default=0) + 1)
    folder.mkdir(parents=True)
    for path in base.path.iterdir():
        if path.is_file() and path.name not in (*_CARD_FILES, CALLER):
            shutil.copyfile(path, folder / path.name)
    np.savez(folder / CALLER, allow_pickle=False, **{**arrays, **heads.arrays()})
    card = replace(
        base.card, version=folder.name, sha256={**base.card.sha256, CALLER: checksum(folder / CALLER)}
    )
    card.write(folder)
    write_card_text(folder, card)
    return ModelFolder(folder, card)
