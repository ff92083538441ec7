"""What distinguishes speakers whose emotions a speech model mistakes for others, and what adaptation repairs.

    python -m benchmarks.misread_speakers [--model auto] [--data ../shared/data] [--json]

Of each such emotion of a test speaker: how wide its pitch is (between its 10th and 90th percentile, in
semitones) and how far above that speaker's neutral one, beside the medians of the corpus' other speakers;
and the share of its clips that is heard rightly, alone and after eight earlier clips of mixed emotions.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import librosa
import numpy as np
import numpy.typing as npt

from emocx_pbx.domain import LABELS, Emotion
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import SpeechClassifier, load_speech
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.speech.callers import adapted, histories
from emocx_pbx.training.speech.data import Clip, labels_of, on_line, read_clips
from emocx_pbx.training.speech.evaluate import predict
from emocx_pbx.training.speech.failures import misread_speakers

#: Pitch is taken where a clip is louder than this share of its peak.
_LOUD: Final = 0.15
_FRAME: Final = 1024
_HOP: Final = 160
_NEUTRAL: Final = str(Emotion.NEUTRAL)

Pitches = Mapping[tuple[str, str], tuple[float, float]]


def pitch(clip: Clip) -> tuple[float, float]:
    """Median pitch in semitones over 1 Hz, and its width in semitones (YIN, de Cheveigné & Kawahara 2002)."""
    samples = on_line(clip.samples)
    hz = librosa.yin(samples, fmin=60, fmax=400, sr=8000, frame_length=_FRAME, hop_length=_HOP)
    level = librosa.feature.rms(y=samples, frame_length=_FRAME, hop_length=_HOP)[0][: len(hz)]
    # (frames,)
    low, middle, high = 12 * np.log2(np.percentile(hz[level > _LOUD * level.max()], (10, 50, 90)))
    return float(middle), float(high - low)


def pitches(clips: Sequence[Clip]) -> Pitches:
    """Medians of `pitch` over the clips of each speaker and emotion."""
    found: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for clip in clips:
        found.setdefault((clip.voice, str(LABELS[clip.label])), []).append(pitch(clip))
    medians = {key: np.median(rows, axis=0) for key, rows in found.items()}
    return {key: (float(middle), float(width)) for key, (middle, width) in medians.items()}


def beside_others(voice: str, emotion: str, of: Pitches) -> dict[str, float]:
    """Width of an emotion's pitch and its rise over neutral, of a speaker and of the others of the corpus."""

    def rise(who: str) -> float:
        return of[who, emotion][0] - of[who, _NEUTRAL][0]

    corpus = voice.split("/")[0] + "/"
    others = [
        v for v, e in of if e == emotion and v != voice and v.startswith(corpus) and (v, _NEUTRAL) in of
    ]
    return {
        "width": round(of[voice, emotion][1], 1),
        "others_width": round(float(np.median([of[v, emotion][1] for v in others])), 1),
        "rise": round(rise(voice), 1),
        "others_rise": round(float(np.median([rise(v) for v in others])), 1),
    }


def heard_rightly(model: SpeechClassifier, clips: Sequence[Clip]) -> dict[tuple[str, str], float]:
    """Share of each speaker's clips of each emotion that is heard as such after eight earlier clips."""
    if model.caller is None:
        return {}
    parts = [model.measure(on_line(clip.samples)) for clip in clips]
    measured = np.array([np.mean(one, axis=0) for one in parts])
    # (n, width)
    log_p = np.log(np.array([np.mean([model.calibrated(m) for m in one], axis=0) for one in parts]) + 1e-9)
    labels, voices = labels_of(clips), np.array([c.voice for c in clips])
    rows = histories(labels, voices, "mixed", 1)
    best = adapted(model.caller, model.caller.inputs(measured, log_p), rows).argmax(axis=1)
    right: dict[tuple[str, str], list[bool]] = {}
    for row, said in zip(rows, best, strict=True):
        right.setdefault((str(voices[row[-1]]), str(LABELS[labels[row[-1]]])), []).append(
            said == labels[row[-1]]
        )
    return {key: round(float(np.mean(each)), 2) for key, each in right.items()}


def measure(model: SpeechClassifier, clips: Sequence[Clip]) -> list[dict[str, Any]]:
    """Every misread emotion of a test speaker, with what is known of it."""
    test = [c for c in clips if c.split == "test"]
    p, _ = predict(model, test)
    found = misread_speakers(test, p)
    own = [c for c in test if c.voice in {one["speaker"] for one in found}]
    corpora = {c.corpus for c in own}
    of = pitches([c for c in clips if c.corpus in corpora])
    after = heard_rightly(model, own)
    best: npt.NDArray[np.int64] = p.argmax(axis=1)
    rows = []
    for one in found:
        key = (one["speaker"], one["true"])
        same = np.array([c.voice == key[0] and str(LABELS[c.label]) == key[1] for c in test])
        alone = round(float(np.mean(best[same] == labels_of(test)[same])), 2)
        taken = {"said_width": round(of[key[0], one["said"]][1], 1)} if (key[0], one["said"]) in of else {}
        rows.append(
            {
                **one,
                **beside_others(*key, of),
                **taken,
                "right_alone": alone,
                "right_after": after.get(key, ""),
            }
        )
    return rows


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="Speakers whose emotions are taken for others.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--model", default="auto")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        clips = read_clips(args.data / "speech" / "clips.csv").clips
        model = load_speech(Registry(), args.model)
        rows = measure(model, clips)
    except EmocxError as error:
        print(f"misread_speakers: {error}", file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps({"model": model.name, "misread": rows}, indent=1))
        return 0
    head = ("speaker", "true", "said", "clips", "of", "width", "others_width", "said_width", "rise",
            "others_rise", "right_alone", "right_after")  # fmt: skip
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(str(row.get(key, "")) for key in head) + " |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
