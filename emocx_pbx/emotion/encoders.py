"""The encoders of `voice`: ONNX files of the project's own, each with a card that says where it comes from.

Layout: `<models>/encoder/<source>/<version>/` with `card.json` and `encoder.onnx`. Written by
`emocx-pbx train encoders`; which layers they hand out is up to the card.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from emocx_pbx.emotion.card import CARD
from emocx_pbx.emotion.registry import default_models_dir
from emocx_pbx.errors import ModelError

#: Folder of the encoders among the models.
KIND: Final = "encoder"
#: The file beside the card.
FILE: Final = "encoder.onnx"


@dataclass(frozen=True, slots=True)
class EncoderCard:
    """What an encoder's file is and where it comes from."""

    source: str
    """Whisper's name of the original: base, tiny.en."""
    version: str
    layers: tuple[int, ...]
    """Layers whose frames come out, counted from 1."""
    width: int
    """Channels of a frame."""
    sha256: str
    """SHA-256 of the ONNX file."""
    bytes: int
    """Its length in bytes."""
    original_sha256: str
    """SHA-256 of the weights that it was made from."""
    original: str
    """Where those are published."""
    licence: str
    made_by: str
    """The command that makes it again."""

    def write(self, folder: Path) -> None:
        """Write card.json into the encoder's folder."""
        text = json.dumps(asdict(self), indent=1, ensure_ascii=False)
        (folder / CARD).write_text(text + "\n", encoding="utf-8")


def read_encoder_card(folder: Path) -> EncoderCard:
    """The card in an encoder's folder; raises ModelError when there is none, or it is incomplete."""
    path = folder / CARD
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return EncoderCard(**{**data, "layers": tuple(int(n) for n in data["layers"])})
    except (OSError, UnicodeDecodeError, ValueError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: no card of an encoder: {error}") from None


def versions(source: str, models: Path | None = None) -> list[Path]:
    """Folders of the encoder `source` among the models (None: the shipped ones), the newest first."""
    above = (models or default_models_dir()) / KIND / source
    if not above.is_dir():
        return []
    found = [p for p in above.iterdir() if p.name.isdigit() and (p / CARD).is_file()]
    return sorted(found, key=lambda p: -int(p.name))


def newest(source: str) -> EncoderCard:
    """The card of the shipped encoder that new models are trained with.

    Raises ModelError when there is none.
    """
    for folder in versions(source):
        return read_encoder_card(folder)
    raise ModelError(f"no encoder {source} in {default_models_dir()}")


def find(source: str, sha256: str) -> Path:
    """Folder of the shipped encoder whose file, or whose original, has this checksum.

    Cards of models made before the encoders were files name the original's. Raises ModelError when there
    is none.
    """
    for folder in versions(source):
        card = read_encoder_card(folder)
        if sha256 in (card.sha256, card.original_sha256):
            return folder
    raise ModelError(f"no encoder {source} with the checksum {sha256[:12]}... in {default_models_dir()}")
