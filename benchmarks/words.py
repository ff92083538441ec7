"""What words add to the voice: recognition through speech-to-text, cost, lag, and the grades of calls.

    python -m benchmarks.words [--data ../shared/data] [--messages 240] [--calls 104] [--fit]
                               [--piper PROGRAM VOICE.onnx] [--lag-calls 20] [--json]

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
import random
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.stats import spearmanr

from benchmarks.grade_calls import AssembledCall, assemble
from benchmarks.grade_quality import compare, perfect, readings_of
from benchmarks.spoken_messages import Piper, Spoken, speak
from emocx_pbx.analysis.call_words import CallWords, Worded, is_sampled
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.pipeline import Classifier
from emocx_pbx.analysis.windows import CallSegmenter, Phrase, Window
from emocx_pbx.analysis.worker.scribe import Scribe
from emocx_pbx.audio.pcm import SAMPLE_RATE, from_float, to_float
from emocx_pbx.domain import LABELS, Grade, Reading, Scores, Span
from emocx_pbx.emotion.fusion import RULE, FusionRule, fuse, pooled_words
from emocx_pbx.emotion.registry import Registry
from emocx_pbx.emotion.said import Said
from emocx_pbx.emotion.speech import load_speech
from emocx_pbx.emotion.text import TextReader, load_reader
from emocx_pbx.emotion.transcribe import Transcriber, load_transcriber
from emocx_pbx.errors import EmocxError, InputError, ModelError
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric, load_rubric
from emocx_pbx.grading.segments import grade_segment
from emocx_pbx.settings.settings import AnalysisSettings, LogSettings
from emocx_pbx.training.speech.data import read_clips
from emocx_pbx.training.text.upset import auc, is_upset

FloatArray = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]
#: True grades, and those given.
Pairs = Sequence[tuple[Grade, Grade]]

DRAWS: Final = 1000
GOALS: Final = {"auc_lost": 0.04, "lag_p95_s": 3.0}
WORDS: Final = AnalysisSettings(words="all")
#: A longer pause than those within a turn.
TURN_S: Final = 1.2
MODES: Final = ("off", "sampled", "all")


@dataclass(frozen=True, slots=True)
class Heard:
    """A spoken message, as it was understood."""

    spoken: Spoken
    texts: tuple[str, ...]
    """Of each phrase with words."""
    seconds: tuple[float, ...]
    scores: tuple[Scores, ...]
    """Of each phrase, with those before it."""


@dataclass(slots=True)
class Cost:
    """CPU seconds, and seconds of speech that they were for."""

    words_s: float = 0.0
    voice_s: float = 0.0
    speech_s: float = 0.0


def phrases_of(spoken: Spoken) -> tuple[list[Phrase], list[Window]]:
    """What the pipeline cuts a message into."""
    segmenter = CallSegmenter(WORDS)
    samples = from_float(spoken.samples)
    items = [*segmenter.feed(samples, np.zeros_like(samples)), *segmenter.finish()]
    return [i for i in items if isinstance(i, Phrase)], [i for i in items if isinstance(i, Window)]


def hear(
    messages: Sequence[Spoken], transcriber: Transcriber, texts: TextReader, voice: Classifier, cost: Cost
) -> list[Heard]:
    """Transcribe and classify each message; the voice model hears the same, to compare what both cost."""
    found = []
    for number, spoken in enumerate(messages, 1):
        phrases, windows = phrases_of(spoken)
        said, words, seconds, scores = Said(), [], [], []
        begun = time.process_time()
        for phrase in phrases:
            text = transcriber.phrase(to_float(phrase.samples))
            if text:
                words.append(text)
                seconds.append(phrase.t1 - phrase.t0)
                scores.append(texts.read(said.with_context(text)).scores)
        cost.words_s += time.process_time() - begun
        begun = time.process_time()
        for window in windows:
            voice.classify(window.samples)
        cost.voice_s += time.process_time() - begun
        cost.speech_s += sum(phrase.t1 - phrase.t0 for phrase in phrases)
        found.append(Heard(spoken, tuple(words), tuple(seconds), tuple(scores)))
        _progress(f"{number}/{len(messages)} messages")
    return found


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
            "auc_95": _interval(partial(_auc_of, upset, values), len(heard)),
            "lost": round(auc(upset, clean) - auc(upset, values), 3),
            "lost_95": _interval(partial(_lost, upset, clean, values), len(heard)),
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
    heard: Sequence[Heard], said: dict[str, npt.NDArray[np.float32]], upset: npt.NDArray[np.bool_], voice: str
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


def _interval(value: Callable[[Any], float], count: int) -> list[float]:
    """95 % by bootstrap over `count` things."""
    rng = np.random.default_rng(0)
    drawn = [value(rng.integers(count, size=count)) for _ in range(DRAWS)]
    low, high = np.nanquantile(drawn, (0.025, 0.975))
    return [round(float(low), 3), round(float(high), 3)]


# Calls.


@dataclass(frozen=True, slots=True)
class WordedCall:
    """A call, its readings by voice alone, and what its words say."""

    call: AssembledCall
    readings: tuple[Reading, ...]
    spans: tuple[Span, ...]
    words: tuple[Worded, ...]


def turns_of(call: AssembledCall) -> list[tuple[float, float, int]]:
    """Begin, end and label of each stretch in which the customer speaks."""
    turns: list[tuple[float, float, int]] = []
    for clip in call.truth:
        label = clip.scores.probabilities.index(1.0)
        if turns and turns[-1][2] == label and clip.t0 - turns[-1][1] <= TURN_S:
            turns[-1] = turns[-1][0], clip.t1, label
        else:
            turns.append((clip.t0, clip.t1, label))
    return turns


def worded(
    calls: Sequence[AssembledCall], heard: Sequence[Heard], voice: Classifier, texts: TextReader, seed: int
) -> list[WordedCall]:
    """The calls with their readings by voice, and words of messages with their labels."""
    rng = random.Random(seed)
    by_label = {k: [h for h in heard if h.spoken.label == k] for k in range(len(LABELS))}
    found = []
    for number, call in enumerate(calls, 1):
        readings, spans = readings_of(call, voice)
        said, words = Said(), []
        for t0, t1, label in turns_of(call):
            message = rng.choice(by_label[label])
            total, at = sum(message.seconds), t0
            for text, seconds in zip(message.texts, message.seconds, strict=True):
                end = at + (t1 - t0) * seconds / total
                words.append(Worded(at, end, texts.read(said.with_context(text)).scores))
                at = end
        found.append(WordedCall(call, tuple(readings), tuple(spans), tuple(words)))
        _progress(f"{number}/{len(calls)} calls")
    return found


def fused(call: WordedCall, mode: str) -> list[Reading]:
    """The readings as they end up: voice first, then words as they come."""
    if mode == "off":
        return list(call.readings)
    held, kept = CallWords(), {}
    events: list[tuple[float, int, Any]] = [(r.t1, 0, r) for r in call.readings]
    chosen = [w for n, w in enumerate(call.words) if mode == "all" or is_sampled(n)]
    events += [(w.t1 + 1.0, 1, w) for w in chosen]
    for _, kind, item in sorted(events, key=lambda e: e[:2]):
        for reading in [held.by_voice(item)] if kind == 0 else held.by_words(item):
            kept[reading.t0, reading.t1] = reading
    return list(kept.values())


def grades(calls: Sequence[WordedCall], rubric: Rubric) -> dict[str, Any]:
    """Figures of the grades with words off, sampled and all, and of the differences to off."""
    pairs: dict[str, list[tuple[Grade, Grade]]] = {mode: [] for mode in MODES}
    for each in calls:
        true = grade(each.call.truth, rubric)
        length = len(each.call.customer) / SAMPLE_RATE
        for mode in MODES:
            pairs[mode].append((true, grade_segment(fused(each, mode), (0, length), each.spans, rubric)))
    out: dict[str, Any] = {}
    for mode in MODES:
        starts = {
            str(LABELS[k]): compare(
                [p for p, c in zip(pairs[mode], calls, strict=True) if c.call.start == k], rubric
            ).get("bias", 0.0)
            for k in range(len(LABELS))
        }
        out[mode] = {
            **compare(pairs[mode], rubric),
            "bias_by_start": starts,
            "worst_start_bias": max(abs(b) for b in starts.values()),
            "readings": _readings(calls, mode),
        }
    for mode in MODES[1:]:
        out[mode]["spearman_gain_95"] = _interval(
            partial(_rank_gained, pairs["off"], pairs[mode]), len(calls)
        )
        out[mode]["mae_gain_95"] = _interval(partial(_error_spared, pairs["off"], pairs[mode]), len(calls))
    return out


def _readings(calls: Sequence[WordedCall], mode: str) -> dict[str, Any]:
    """How readings of one true label are read: right answers by class, and AUC of upset."""
    labels, given = [], []
    for each in calls:
        for reading in fused(each, mode):
            true = perfect(reading, each.call.truth).scores
            if true.confidence > 0.99:
                labels.append(LABELS.index(true.best))
                given.append(reading.scores.probabilities)
    known, said = np.array(labels), np.array(given, np.float32)
    best = said.argmax(axis=1)
    recalls = {str(LABELS[k]): round(float((best[known == k] == k).mean()), 3) for k in range(len(LABELS))}
    return {
        "number": len(known),
        "uar": round(statistics.mean(recalls.values()), 3),
        "recalls": recalls,
        "upset_auc": round(auc(is_upset(known), said[:, 0] + said[:, 2]), 3),
        "log_loss": round(float(-np.log(np.maximum(said[np.arange(len(known)), known], 1e-9)).mean()), 3),
    }


def _both(pairs: Pairs, at: Any) -> list[tuple[float, float]]:
    drawn = [pairs[i] for i in at]
    return [(t.score, g.score) for t, g in drawn if t.score is not None and g.score is not None]


def _rank(pairs: Pairs, at: Any) -> float:
    both = _both(pairs, at)
    return float(spearmanr([t for t, _ in both], [g for _, g in both]).statistic)


def _error(pairs: Pairs, at: Any) -> float:
    return statistics.mean(abs(t - g) for t, g in _both(pairs, at))


def _rank_gained(off: Pairs, on: Pairs, at: Any) -> float:
    return _rank(on, at) - _rank(off, at)


def _error_spared(off: Pairs, on: Pairs, at: Any) -> float:
    return _error(off, at) - _error(on, at)


# The rule.


def fit(calls: Sequence[WordedCall]) -> dict[str, Any]:
    """The rule with the least log loss on readings of dev calls with words; weights at most 1."""
    cases = []
    for each in calls:
        for reading in each.readings:
            said = [
                (w.scores, s) for w in each.words if (s := min(reading.t1, w.t1) - max(reading.t0, w.t0)) > 0
            ]
            true = perfect(reading, each.call.truth).scores.probabilities
            if said:
                share = min(
                    1.0,
                    sum(
                        s / (w.t1 - w.t0)
                        for w in each.words
                        if (s := min(reading.t1, w.t1) - max(reading.t0, w.t0)) > 0
                    ),
                )
                cases.append((pooled_words(said), reading.scores, share, true))

    def rule_of(x: npt.NDArray[np.float64]) -> FusionRule:
        voice, words, doubt = (float(1 / (1 + np.exp(-v))) for v in (x[0], x[1], x[2]))
        bias = np.append(x[3:6], -x[3:6].sum())
        a, n, d, h = (float(b) for b in bias)
        return FusionRule(voice, words, (a, n, d, h), doubt)

    def loss(x: npt.NDArray[np.float64]) -> float:
        rule, total = rule_of(x), 0.0
        for words, voice, share, true in cases:
            both = fuse(words, voice, share, rule)
            assert both is not None
            total -= sum(t * np.log(max(p, 1e-9)) for t, p in zip(true, both.probabilities, strict=True))
        return total / len(cases) + 1e-3 * float((x**2).sum())

    start = np.array([1.0, 1.0, -1.0, 0.0, 0.0, 0.0])
    found = minimize(loss, start, method="Nelder-Mead", options={"maxfev": 400, "xatol": 0.02, "fatol": 1e-4})
    rule = rule_of(found.x)
    return {
        "readings": len(cases),
        "voice": round(rule.voice, 2),
        "words": round(rule.words, 2),
        "bias": [round(b, 2) for b in rule.bias],
        "doubt": round(rule.doubt, 2),
        "log_loss": round(float(found.fun), 4),
        "log_loss_of_the_rule_in_use": round(
            -statistics.mean(
                sum(
                    t * np.log(max(p, 1e-9))
                    for t, p in zip(true, (fuse(w, v, s) or v).probabilities, strict=True)
                )
                for w, v, s, true in cases
            ),
            4,
        ),
        "log_loss_of_the_voice": round(
            -statistics.mean(
                sum(t * np.log(max(p, 1e-9)) for t, p in zip(true, v.probabilities, strict=True))
                for _, v, _, true in cases
            ),
            4,
        ),
    }


# Lag.


async def lag(messages: Sequence[Spoken], calls: int, seconds: float, seed: int) -> dict[str, Any]:
    """Phrases of so many calls, at random times, through a scribe's process: how late words are known."""
    counters: dict[str, int] = {}

    def count(name: str) -> None:
        counters[name] = counters.get(name, 0) + 1

    phrases = [p for spoken in messages for p in phrases_of(spoken)[0]]
    mean_s = statistics.mean(p.t1 - p.t0 for p in phrases)
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    scribe = Scribe(WorkerConfig(settings=WORDS, log=LogSettings(level="error")), count)
    owner = asyncio.create_task(scribe.run())
    found: list[asyncio.Future[float | None]] = []
    try:
        async with asyncio.timeout(180):
            await scribe.ready.wait()
        end = loop.time() + seconds
        while loop.time() < end:
            # A customer speaks 40 % of a call.
            await asyncio.sleep(rng.expovariate(0.4 * calls / mean_s))
            found.append(_timed(scribe, str(rng.randrange(calls)), rng.choice(phrases)))
        lags = [s for s in await asyncio.gather(*found) if s is not None]
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
    return {
        "calls": calls,
        "phrases": len(found),
        "phrase_s": round(mean_s, 2),
        "counters": counters,
        "lag_p50_s": round(float(np.quantile(lags, 0.5)), 3) if lags else None,
        "lag_p95_s": round(float(np.quantile(lags, 0.95)), 3) if lags else None,
    }


def _timed(scribe: Scribe, call_id: str, phrase: Phrase) -> asyncio.Future[float | None]:
    """Seconds from a phrase's end to what its words say; None: nothing came of it."""
    loop = asyncio.get_running_loop()
    begun, result = loop.time(), loop.create_future()
    scribe.put(
        call_id, phrase, lambda answer: result.set_result(None if answer is None else loop.time() - begun)
    )
    return result


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r{text}", end="", file=sys.stderr)


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
    transcriber = load_transcriber("auto")
    if transcriber is None:
        raise ModelError("no speech-to-text: emocx-pbx models fetch")
    if args.messages < 40:
        raise InputError("--messages: at least 40")
    split = "dev" if args.fit else "test"
    heard, cost = _kept(
        args.cache and f"{args.cache}.{split}.heard",
        lambda: _heard(speak(args.data, split, args.messages, args.seed, piper), transcriber, texts, voice),
    )
    calls = _kept(
        args.cache and f"{args.cache}.{split}.{args.model.replace('/', '-')}.calls",
        lambda: worded(_calls(args, split), heard, voice, texts, args.seed),
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
    parser = argparse.ArgumentParser(description="What words add to the voice.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--messages", type=int, default=240)
    parser.add_argument("--calls", type=int, default=104)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--piper", nargs=2, metavar=("PROGRAM", "VOICE"), help="one more voice")
    parser.add_argument(
        "--model", default="auto", help="speech model; to fit, one that no dev speaker taught"
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
