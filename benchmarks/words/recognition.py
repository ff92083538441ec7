"""Whether a spoken message is recognised as upset: as written, as read out, as transcribed."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.words.interval import interval
from benchmarks.words.messages import Heard
from emocx_pbx.emotion.text import TextReader
from emocx_pbx.training.text.upset import auc, is_upset

FloatArray = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]


def recognition(heard: Sequence[Heard], texts: TextReader) -> dict[str, Any]:
    """AUC of upset: as written, as read out, as transcribed, and as a call's phrases are read."""
    labels = np.array([h.spoken.label for h in heard])
    upset = is_upset(labels)
    ways = {
        "as written": [texts.read(h.spoken.written).scores.upset for h in heard],
        "as read out": [texts.read(h.spoken.text).scores.upset for h in heard],
        "transcribed, whole": [texts.read(" ".join(h.texts)).scores.upset for h in heard],
        "transcribed, phrase by phrase": [_by_phrases(h, texts) for h in heard],
    }
    said = {name: np.array(values, np.float32) for name, values in ways.items()}
    clean = said["as read out"]
    rows = {
        name: {
            "auc": round(auc(upset, values), 3),
            "auc_95": interval(partial(_auc_of, upset, values), len(heard)),
            "lost": round(auc(upset, clean) - auc(upset, values), 3),
            "lost_95": interval(partial(_lost, upset, clean, values), len(heard)),
        }
        for name, values in said.items()
    }
    return {
        "messages": len(heard),
        "upset": int(upset.sum()),
        "auc": rows,
        "by_voice": {voice: _of_voice(heard, said, upset, voice) for voice in _voices(heard)},
        "word_errors": round(_word_errors(heard), 3),
        "without_words": sum(not h.texts for h in heard),
    }


def _auc_of(upset: Flags, said: FloatArray, at: Any) -> float:
    return auc(upset[at], said[at])


def _lost(upset: Flags, clean: FloatArray, said: FloatArray, at: Any) -> float:
    return auc(upset[at], clean[at]) - auc(upset[at], said[at])


def _by_phrases(heard: Heard, texts: TextReader) -> float:
    if not heard.scores:
        return texts.read("").scores.upset
    return float(np.average([s.upset for s in heard.scores], weights=heard.seconds))


def _voices(heard: Sequence[Heard]) -> list[str]:
    return sorted({h.spoken.voice for h in heard})


def _of_voice(
    heard: Sequence[Heard], said: dict[str, FloatArray], upset: Flags, voice: str
) -> dict[str, Any]:
    at = np.array([h.spoken.voice == voice for h in heard])
    return {
        "messages": int(at.sum()),
        "word_errors": round(_word_errors([h for h in heard if h.spoken.voice == voice]), 3),
        **{name: round(auc(upset[at], values[at]), 3) for name, values in said.items()},
    }


def _word_errors(heard: Sequence[Heard]) -> float:
    """Word error rate: edits over words read out."""
    edits = words = 0
    for each in heard:
        true, found = (_plain(text) for text in (each.spoken.text, " ".join(each.texts)))
        edits += _edits(true, found)
        words += len(true)
    return edits / max(1, words)


def _plain(text: str) -> list[str]:
    return "".join(c if c.isalnum() or c == "'" else " " for c in text.lower()).replace("'", "").split()


def _edits(a: Sequence[str], b: Sequence[str]) -> int:
    row = list(range(len(b) + 1))
    for i, left in enumerate(a, 1):
        before, row[0] = row[0], i
        for j, right in enumerate(b, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (left != right))
    return row[-1]
