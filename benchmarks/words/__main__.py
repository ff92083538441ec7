"""What words add to the voice: recognition through speech-to-text, cost, lag, and the grades of calls.

    python -m benchmarks.words [--data ../shared/data] [--messages 240] [--calls 104] [--fit]
                               [--piper PROGRAM VOICE.onnx] [--transcriber FOLDER] [--lag-calls 20] [--json]

Real messages to companies (text/service, parts as in `training.text.messages`) are spoken by several voices
over G.711 with noise, cut into phrases as in a call, transcribed and classified with the two phrases before.
AUC is of P(upset), with the message as it was read out as the clean text.

Grades are of calls assembled from the clips of speakers (as benchmarks.grade_quality does); each turn of the
customer is given the words of such a message with the turn's label. So both are linked by the label
alone: in real calls both err together more often, and the gain is smaller. `--fit` chooses the rule of
emotion/fusion.py on dev speakers and messages.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import pickle
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.grade_calls import AssembledCall, assemble
from benchmarks.spoken_messages import Piper, Spoken, speak
from benchmarks.words.calls import worded
from benchmarks.words.fit import fit
from benchmarks.words.grades import grades
from benchmarks.words.lag import lag
from benchmarks.words.messages import Cost, Heard, hear
from benchmarks.words.recognition import recognition
from emocx_pbx.analysis.pipeline import Classifier
from emocx_pbx.emotion.fusion import RULE
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.speech import load_speech
from emocx_pbx.emotion.text import TextReader, load_reader
from emocx_pbx.emotion.transcribe import Transcriber, load_transcriber
from emocx_pbx.errors import EmocxError, InputError, ModelError
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.training.speech.data import read_clips


def _text(result: dict[str, Any]) -> str:
    lines: list[str] = []
    if "recognition" in result:
        found = result["recognition"]
        lines += [
            f"{found['messages']} messages, {found['upset']} upset, word errors {found['word_errors']},"
            f" {found['without_words']} without words",
            "",
            "| text | AUC of upset | lost against the text read out |",
            "|---|---|---|",
        ]
        lines += [
            f"| {name} | {row['auc']} ({row['auc_95'][0]} to {row['auc_95'][1]}) |"
            f" {row['lost']} ({row['lost_95'][0]} to {row['lost_95'][1]}) |"
            for name, row in found["auc"].items()
        ]
        lines += ["", *(f"{voice}: {row}" for voice, row in found["by_voice"].items()), ""]
    if "grades" in result:
        lines += [
            "| words | " + " | ".join(_KEYS) + " | readings' UAR | upset AUC |",
            "|---" * (len(_KEYS) + 3) + "|",
        ]
        for mode, row in result["grades"].items():
            figures = " | ".join(str(row.get(key)) for key in _KEYS)
            read = row["readings"]
            lines.append(f"| {mode} | {figures} | {read['uar']} | {read['upset_auc']} |")
        lines.append("")
    for name in ("cost", "lag", "fit"):
        if name in result:
            lines.append(f"{name}: {json.dumps(result[name])}")
    return "\n".join(lines)


_KEYS: Final = (
    "graded", "spearman", "spearman_gain_95", "mae", "mae_gain_95", "worst_start_bias",
    "range_holds_true_score",
)  # fmt: skip


def _calls(args: argparse.Namespace, split: str) -> list[AssembledCall]:
    clips = read_clips(args.data / "speech" / "clips.csv", split=split).clips
    return assemble(clips, args.calls, args.seed)


def _heard(
    messages: Sequence[Spoken], transcriber: Transcriber, texts: TextReader, voice: Classifier
) -> tuple[list[Heard], Cost]:
    cost = Cost()
    return hear(messages, transcriber, texts, voice, cost), cost


def _kept(path: str | None, make: Callable[[], Any]) -> Any:
    """What was kept in a file, or is made now and kept there."""
    if path and Path(path).is_file():
        return pickle.loads(Path(path).read_bytes())
    made = make()
    if path:
        Path(path).write_bytes(pickle.dumps(made))
    return made


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All that was asked for."""
    piper = Piper(*(Path(p) for p in args.piper)) if args.piper else None
    registry = Registry()
    voice, texts = load_speech(registry, args.model), load_reader(registry, "lstm")
    transcriber = load_transcriber(args.transcriber)
    if transcriber is None:
        raise ModelError("no speech-to-text: emocx-pbx models fetch")
    if args.messages < 40:
        raise InputError("--messages: at least 40")
    split = "dev" if args.fit else "test"
    heard, cost = _kept(
        args.cache and f"{args.cache}.{split}.heard",
        lambda: _heard(speak(args.data, split, args.messages, args.seed, piper), transcriber, texts, voice),
    )
    result: dict[str, Any] = {
        "split": split,
        "models": {"voice": voice.name, "text": texts.name, "speech-to-text": transcriber.name},
        "rule": {"voice": RULE.voice, "words": RULE.words, "bias": RULE.bias, "doubt": RULE.doubt},
        "recognition": recognition(heard, texts),
        "cost": {
            "cpu_s_per_speech_s": {
                "words": round(cost.words_s / cost.speech_s, 4),
                "voice": round(cost.voice_s / cost.speech_s, 4),
            },
            "ratio": round(cost.words_s / cost.voice_s, 2),
        },
    }
    if not args.calls:
        return result
    calls = _kept(
        args.cache and f"{args.cache}.{split}.{args.model.replace('/', '-')}.calls",
        lambda: worded(_calls(args, split), heard, voice, texts, args.seed),
    )
    result["grades"] = grades(calls, load_rubric(None))
    if args.fit:
        result["fit"] = fit(calls)
    elif args.lag_calls:
        result["lag"] = asyncio.run(
            lag([h.spoken for h in heard], args.lag_calls, args.lag_seconds, args.seed)
        )
    return result


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.words", description="What words add to the voice."
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--messages", type=int, default=240)
    parser.add_argument("--calls", type=int, default=104, help="assembled; 0: nothing of grades, fit or lag")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--piper", nargs=2, metavar=("PROGRAM", "VOICE"), help="one more voice")
    parser.add_argument(
        "--model", default="auto", help="speech model; to fit, one that no dev speaker taught"
    )
    parser.add_argument(
        "--transcriber", default="auto", metavar="FOLDER", help="another model than what was fetched"
    )
    parser.add_argument("--fit", action="store_true", help="choose the rule, on dev")
    parser.add_argument("--lag-calls", type=int, default=20, help="calls at a time; 0: no lag")
    parser.add_argument("--lag-seconds", type=float, default=60.0)
    parser.add_argument("--cache", help="file to keep what was heard in, to fuse it by another rule")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        result = measure(args)
    except EmocxError as error:
        print(f"words: {error}", file=sys.stderr)
        return 2
    print(json.dumps(result, indent=2) if args.json else _text(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
