"""Writes the encoders' files with their cards, and the probe of the processor; `emocx-pbx train encoders`."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np

from emocx_pbx.emotion import encoders
from emocx_pbx.emotion.encoders import EncoderCard
from emocx_pbx.emotion.voice import ENCODERS
from emocx_pbx.emotion.whisper import PROBED
from emocx_pbx.training.encoders.graph import graph
from emocx_pbx.training.encoders.original import ORIGINALS, original, weights_of

_MADE_BY: Final = "emocx-pbx train encoders"
_LICENCE: Final = "MIT, Copyright (c) 2022 OpenAI (LICENSE beside this card)"


def make(models: Path) -> Iterator[tuple[EncoderCard, Path, bool]]:
    """Write each encoder of `voice` into `models`: its card, its folder, and whether it is new.

    A file whose bytes the newest version has already is not written again. Raises ModelError when an
    original is not here.
    """
    for source, layers in ENCODERS:
        weights = weights_of(source)
        model = graph(weights, layers)
        there = encoders.versions(source, models)
        sha256 = hashlib.sha256(model).hexdigest()
        if there and (card := encoders.read_encoder_card(there[0])).sha256 == sha256:
            yield card, there[0], False
            continue
        version = str(1 + int(there[0].name)) if there else "1"
        folder = models / encoders.KIND / source / version
        folder.mkdir(parents=True)
        (folder / encoders.FILE).write_bytes(model)
        from_file, origin = original(source), ORIGINALS[source][0].origin
        card = EncoderCard(
            source=source,
            version=version,
            layers=tuple(layers),
            width=weights.width,
            sha256=sha256,
            bytes=len(model),
            original_sha256=from_file.sha256,
            original=f"{origin} ({from_file.hub})",
            licence=_LICENCE,
            made_by=_MADE_BY,
        )
        card.write(folder)
        (folder / "card.md").write_text(_page(card), encoding="utf-8")
        shutil.copyfile(Path(__file__).with_name("LICENSE"), folder / "LICENSE")
        yield card, folder, True


def _page(card: EncoderCard) -> str:
    layers = f"{card.layers[0]} to {card.layers[-1]}"
    return f"""# Encoder {card.source}/{card.version}

The lower layers of a Whisper encoder, for the speech model `voice`: log-mel in, the frames after layers
{layers} out, {card.width} channels every 20 ms. Products are of 8-bit integers, what stays a fraction is in
half precision. It hears how something is said; it can't say what.

| | |
|---|---|
| made from | {card.original} |
| its SHA-256 | `{card.original_sha256}` |
| SHA-256 of `{encoders.FILE}` | `{card.sha256}` ({card.bytes / 1e6:.1f} MB) |
| licence | {card.licence} |
| made by | `{card.made_by}`, which writes the same bytes again |
| used by | `models/speech/voice`; figures are on its card |

Not for identifying speakers, and of no use for speech-to-text. Learnt by OpenAI from speech on the internet;
what that means for accents and languages is what the figures of `voice` show.
"""


def probe() -> bytes:
    """The model of `emotion/probe.onnx`: a product of rows of uint8 and int8 weights beyond 16 bits."""
    import onnx

    helper, kinds = onnx.helper, onnx.TensorProto
    built = helper.make_graph(
        [helper.make_node("MatMulInteger", ["rows", "weights"], ["sums"])],
        "probe",
        [helper.make_tensor_value_info("rows", kinds.UINT8, [1, PROBED])],
        [helper.make_tensor_value_info("sums", kinds.INT32, [1, 16])],
        [onnx.numpy_helper.from_array(np.full((PROBED, 16), 127, np.int8), "weights")],
    )
    opsets = [helper.make_opsetid("", 18)]
    model: bytes = helper.make_model(built, opset_imports=opsets, ir_version=9).SerializeToString()
    return model
