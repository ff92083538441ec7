"""Turns sentences into vectors whose nearness is nearness in meaning (MiniLM, int8, on one CPU thread).

The weights (23 MB; all-MiniLM-L6-v2 of sentence-transformers, Apache-2.0) are fetched by `emocx-pbx models
fetch topics` and run on onnxruntime; `minilm-vocabulary.txt` is that model's vocabulary. Without them, topics
are told apart by their words (see topics.py).
"""

from __future__ import annotations

import importlib.util
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.emotion.loading import loading
from emocx_pbx.emotion.text_clean import Vocabulary
from emocx_pbx.weights.catalogue import TOPICS
from emocx_pbx.weights.places import checked_folder_of

FloatArray = npt.NDArray[np.float32]

_MOST_PIECES: Final = 96
_TOKEN = re.compile(r"\w+|[^\w\s]")


class SentenceEncoder:
    """MiniLM sentence vectors of length 1. Not for use by several threads at once."""

    def __init__(self, weights: Path) -> None:
        """Load the network; raises ModelError when it can't be."""
        import onnxruntime

        pieces = Path(__file__).with_name("minilm-vocabulary.txt").read_text(encoding="utf-8").splitlines()
        self._ids = {piece: i for i, piece in enumerate(pieces)}
        self._vocabulary = Vocabulary.of([piece.replace("[UNK]", "<unknown>") for piece in pieces])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        with loading(weights):
            self._session: Any = onnxruntime.InferenceSession(
                str(weights), options, providers=["CPUExecutionProvider"]
            )

    def encode(self, sentences: Sequence[str]) -> FloatArray:
        """Unit vectors (n, 384); only the first 96 word pieces of a sentence are read."""
        return np.stack([self._one(sentence) for sentence in sentences])

    def _one(self, sentence: str) -> FloatArray:
        plain = unicodedata.normalize("NFKD", sentence[:2000].lower())
        tokens = _TOKEN.findall("".join(c for c in plain if not unicodedata.combining(c)))
        pieces, _ = self._vocabulary.encode(tokens)
        ids = np.array([[self._ids["[CLS]"], *pieces[: _MOST_PIECES - 2], self._ids["[SEP]"]]], np.int64)
        # (1, pieces)
        hidden = self._session.run(
            None,
            {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)},
        )[0]
        vector = hidden[0].mean(axis=0)
        # (384,)
        return np.asarray(vector / max(float(np.linalg.norm(vector)), 1e-9), np.float32)


def load_encoder() -> SentenceEncoder | None:
    """The encoder, or None when its runtime is not installed or its weights were not fetched.

    Raises:
        ModelError: the weights are damaged or others, or can't be loaded.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    folder = checked_folder_of(TOPICS)
    return SentenceEncoder(folder / "model.onnx") if folder is not None else None


def runtime_installed() -> bool:
    """Whether the packages of the extra `topics` are there; nothing is loaded."""
    return all(importlib.util.find_spec(name) is not None for name in ("onnxruntime", "sklearn"))
