"""Where a speech model fails: the clips that it gets most wrong, and whose emotions it takes for others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS
from emocx_pbx.training.speech.data import Clip, labels_of

Floats = npt.NDArray[np.float32]

#: A speaker's emotion is listed if at least this many of its clips, and this share of them, are taken for one
#: other emotion.
_CLIPS: Final = 5
_SHARE: Final = 0.3


def worst_clips(clips: Sequence[Clip], probabilities: Floats, count: int = 20) -> list[dict[str, Any]]:
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


def misread_speakers(clips: Sequence[Clip], probabilities: Floats) -> list[dict[str, Any]]:
    """Emotions of speakers that are often taken for one other, by probabilities (n, 4); most clips first."""
    truth, best = labels_of(clips), probabilities.argmax(axis=1)
    clips_of = Counter((c.voice, int(k)) for c, k in zip(clips, truth, strict=True))
    taken = Counter((c.voice, int(k), int(b)) for c, k, b in zip(clips, truth, best, strict=True) if k != b)
    return [
        {
            "speaker": voice,
            "true": str(LABELS[k]),
            "said": str(LABELS[b]),
            "clips": count,
            "of": clips_of[voice, k],
        }
        for (voice, k, b), count in sorted(taken.items(), key=lambda item: (-item[1], item[0]))
        if count >= max(_CLIPS, _SHARE * clips_of[voice, k])
    ]
