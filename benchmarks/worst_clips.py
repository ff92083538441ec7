"""The clips that a speech model gets most wrong, with what can be measured on them.

    python -m benchmarks.worst_clips [--model voice] [--split test] [--count 20] [--data DIR] [--json]

For each: who says it, the label, what the model says and how sure it is, level, pitch, length; and for
English what speech-to-text hears and the text model makes of it. Then how the worst tenth differs from
the rest of its corpus.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import librosa
import numpy as np

from emocx_pbx.domain import LABELS
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import load_speech
from emocx_pbx.emotion.text import load_text
from emocx_pbx.emotion.transcribe import load_transcriber
from emocx_pbx.errors import EmocxError
from emocx_pbx.training.speech.data import Clip, FloatArray, labels_of, on_line, read_clips
from emocx_pbx.training.speech.evaluate import predict

#: Corpora whose words the (English) text model can be asked about.
ENGLISH: Final = {"ravdess"}


def described(clip: Clip, probabilities: FloatArray) -> dict[str, Any]:
    """What is known of one clip and its reading."""
    said = int(probabilities.argmax())
    return {
        "corpus": clip.corpus,
        "speaker": clip.speaker,
        "clip": clip.source,
        "label": str(LABELS[clip.label]),
        "said": str(LABELS[said]),
        "confidence": round(float(probabilities[said]), 3),
        "of_label": round(float(probabilities[clip.label]), 4),
        **signals(clip),
    }


def signals(clip: Clip) -> dict[str, float]:
    """Level, pitch (median by YIN, de Cheveigné & Kawahara 2002) and length of a clip."""
    samples = on_line(clip.samples)
    pitch = float(np.median(librosa.yin(samples, fmin=65, fmax=500, sr=8000)))
    return {
        "level_dbfs": round(20 * float(np.log10(np.sqrt(np.mean(samples**2)) + 1e-9)), 1),
        "pitch_hz": round(pitch),
        "seconds": round(samples.size / 8000, 1),
    }


def in_common(clips: Sequence[Clip], probabilities: FloatArray) -> dict[str, Any]:
    """Where the worst tenth of the clips comes from, and how it differs from all clips of its corpora."""
    truth = labels_of(clips)
    given = probabilities[np.arange(len(truth)), truth]
    worst = np.argsort(given, kind="stable")[: max(1, len(clips) // 10)]
    facts = [signals(c) for c in clips]
    corpus = np.array([c.corpus for c in clips])
    names = ("level_dbfs", "pitch_hz", "seconds")
    table = np.array([[f[n] for n in names] for f in facts])
    usual = {c: table[corpus == c].mean(axis=0) for c in np.unique(corpus)}
    differs = np.mean([table[i] - usual[corpus[i]] for i in worst], axis=0)
    pairs = Counter(f"{LABELS[truth[i]]} said {LABELS[int(probabilities[i].argmax())]}" for i in worst)
    voices = Counter(clips[i].voice for i in worst)
    spoken = Counter(c.voice for c in clips)
    return {
        "clips": len(worst),
        "pairs": dict(pairs.most_common(6)),
        "speakers": {v: f"{n} of {spoken[v]}" for v, n in voices.most_common(6)},
        "differs_from_corpus_mean": {n: round(float(d), 1) for n, d in zip(names, differs, strict=True)},
    }


def add_words(rows: list[dict[str, Any]], clips: Sequence[Clip], registry: Registry) -> None:
    """What is said in the English clips, as speech-to-text hears it, and the text model's answer."""
    transcriber = load_transcriber("auto")
    if transcriber is None:
        return
    text_model = load_text(registry, "lstm")
    for row, clip in zip(rows, clips, strict=True):
        if clip.corpus in ENGLISH:
            words = transcriber.transcribe(on_line(clip.samples))
            scores = text_model.classify(words)
            row["words"] = words
            row["text_model_says"] = str(LABELS[scores.probabilities.index(max(scores.probabilities))])


def _text(result: dict[str, Any]) -> str:
    head = ("corpus/speaker", "clip", "label", "said (confidence)", "level", "pitch", "length", "words")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in result["worst"]:
        words = f"{row['words']} ({row['text_model_says']})" if "words" in row else ""
        lines.append(
            f"| {row['corpus']}/{row['speaker']} | {row['clip']} | {row['label']}"
            f" | {row['said']} ({row['confidence']:.2f}) | {row['level_dbfs']:.0f} dBFS"
            f" | {row['pitch_hz']} Hz | {row['seconds']} s | {words} |"
        )
    common = result["worst_tenth"]
    lines += ["", f"The worst tenth ({common['clips']} clips):"]
    for key in ("pairs", "speakers", "differs_from_corpus_mean"):
        observed = ", ".join(f"{name} {value}" for name, value in common[key].items())
        lines.append(f"- {key.replace('_', ' ')}: {observed}")
    return "\n".join(lines)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="The clips that a speech model gets most wrong.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="test")
    parser.add_argument("--model", default="auto")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--count", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        registry = Registry(args.models_dir)
        clips = read_clips(args.data / "speech" / "clips.csv", split=args.split).clips
        model = load_speech(registry, args.model)
        probabilities, _ = predict(model, list(clips))
        truth = labels_of(clips)
        order = np.argsort(probabilities[np.arange(len(truth)), truth], kind="stable")[: args.count]
        rows = [described(clips[i], probabilities[i]) for i in order]
        add_words(rows, [clips[i] for i in order], registry)
    except EmocxError as error:
        print(f"worst_clips: {error}", file=sys.stderr)
        return 2
    result = {"model": model.name, "worst": rows, "worst_tenth": in_common(clips, probabilities)}
    print(json.dumps(result, indent=1) if args.json else _text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
