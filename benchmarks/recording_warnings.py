"""How often each rule about a recording is right, on real voices: found, and false alarms.

    python -m benchmarks.recording_warnings [--data ../shared/data] [--split test] [--calls 200]

The speakers of speech/ one by one and in pairs; calls assembled from pairs of them, in turns as people take
them; and the human call of calls/, whole and begun anywhere. Everything goes through G.711.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal, get_args

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emocx_pbx.analysis.recorded_warnings import greets, is_both
from emocx_pbx.analysis.windows import CallSegmenter
from emocx_pbx.audio.interleaved import is_interleaved
from emocx_pbx.audio.pcm import SAMPLE_RATE, from_float, mulaw_roundtrip
from emocx_pbx.audio.survey import SideSurvey
from emocx_pbx.domain import Span
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.training.speech.augment import level
from emocx_pbx.training.speech.data import Clip, FloatArray, read_clips

Samples = npt.NDArray[np.int16]
MINUTE = 60 * SAMPLE_RATE


def stretches(samples: Samples, seconds: float) -> Iterator[Samples]:
    size = round(seconds * SAMPLE_RATE)
    for at in range(0, len(samples) - size + 1, size):
        piece = samples[at : at + size]
        if np.sqrt((piece.astype(float) ** 2).mean()) > 100:
            yield piece


def surveyed(samples: Samples) -> SideSurvey:
    survey = SideSurvey()
    survey.hear(samples)
    return survey


def spans(customer: Samples, agent: Samples) -> list[Span]:
    segmenter = CallSegmenter(AnalysisSettings())
    items = [*segmenter.feed(customer, agent), *segmenter.finish()]
    return [item for item in items if isinstance(item, Span)]


@dataclass(frozen=True, slots=True)
class Call:
    """Both sides of an assembled call, in step, each (n,)."""

    customer: Samples
    agent: Samples


def assembled(clips: Sequence[Clip], count: int, opening: Opening, rng: random.Random) -> Iterator[Call]:
    """Calls of two speakers in turns: clips of one voice with breaths between, answers soon after."""
    voices: dict[str, list[Clip]] = {}
    for clip in clips:
        voices.setdefault(clip.voice, []).append(clip)
    for _ in range(count):
        customer, agent = (voices[v] for v in rng.sample(sorted(voices), 2))
        turns = OPENINGS[opening](customer, agent)
        size = round(rng.uniform(60, 180) * SAMPLE_RATE)
        yield Call(*_sides(turns, size, rng))


def _inbound(customer: list[Clip], agent: list[Clip]) -> Iterator[Turn]:
    """The agent greets and asks; the customer tells at length."""
    yield Turn(1, agent, (3.5, 8.0))
    yield from _turns(customer, agent)


def _outbound(customer: list[Clip], agent: list[Clip]) -> Iterator[Turn]:
    """The customer says hello; the agent says who calls and why."""
    yield Turn(0, customer, (0.0, 0.0))
    yield Turn(1, agent, (5.0, 12.0))
    yield from _turns(customer, agent)


def _midway(customer: list[Clip], agent: list[Clip]) -> Iterator[Turn]:
    """The recording began after the greeting."""
    yield from _turns(customer, agent)


def _turns(customer: list[Clip], agent: list[Clip]) -> Iterator[Turn]:
    while True:
        yield Turn(0, customer, (1.0, 15.0))
        yield Turn(1, agent, (1.0, 15.0))


Opening = Literal["inbound", "outbound", "midway"]
OPENINGS: Final = {"inbound": _inbound, "outbound": _outbound, "midway": _midway}


@dataclass(frozen=True, slots=True)
class Turn:
    """One side's turn."""

    side: int
    """0: the customer."""
    clips: list[Clip]
    seconds: tuple[float, float]
    """Its length is at least drawn from this range: it ends with the clip that reaches it."""


def _sides(turns: Iterator[Turn], size: int, rng: random.Random) -> tuple[Samples, Samples]:
    sides = np.zeros((2, size), np.float32)
    at = round(rng.uniform(0.2, 1.5) * SAMPLE_RATE)
    for turn in turns:
        begun, wanted = at, rng.uniform(*turn.seconds) * SAMPLE_RATE
        while at - begun <= wanted:
            clip = _spoken(rng.choice(turn.clips).samples)
            if at + clip.size > size:
                one, other = (mulaw_roundtrip(from_float(side)) for side in sides)
                return one, other
            sides[turn.side, at : at + clip.size] = level(clip, -24)
            at += clip.size + round(rng.uniform(0.1, 0.6) * SAMPLE_RATE)
        at += round(rng.uniform(0.0, 1.0) * SAMPLE_RATE)
    raise AssertionError("turns end")


def _spoken(samples: FloatArray) -> FloatArray:
    """Without the silence around it: corpora leave half a second, which in a turn would be a second."""
    loud = np.flatnonzero(np.abs(samples) > 0.05 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def observed(what: str, found: list[bool], false: list[bool]) -> None:
    print(f"| {what} | {sum(found)} of {len(found)} | {sum(false)} of {len(false)} |")


def mixed(one: Samples, other: Samples) -> Samples:
    """Both in one channel."""
    return (one // 2 + other // 2).astype(np.int16)


def driven(samples: Samples) -> Samples:
    """12 dB over full scale."""
    peak = max(1, int(np.abs(samples.astype(int)).max()))
    loud: Samples = np.clip(samples * (4 * 32767 / peak), -32768, 32767).astype(np.int16)
    return loud


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--split", default="test", choices=("train", "dev", "test"))
    parser.add_argument("--calls", type=int, default=200, help="assembled calls of each kind")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    data = args.data
    voices = [
        mulaw_roundtrip(soundfile.read(path, dtype="int16", frames=MINUTE)[0])
        for path in sorted((data / "speech").glob("*/*"))
    ]
    print("| rule | found | false alarms |\n|---|---|---|")
    pairs = [np.stack([a[:n], b[:n]], axis=1).ravel() for a, b in pairwise(voices)
             for n in [min(len(a), len(b))]]  # fmt: skip
    observed(
        "interleaved, stretches of 10 s read as one channel",
        [is_interleaved(s) for pair in pairs for s in stretches(pair, 10)],
        [is_interleaved(s) for voice in voices for s in stretches(voice, 10)],
    )
    slow = [
        mulaw_roundtrip(np.asarray(soxr.resample(v, SAMPLE_RATE, 2 * SAMPLE_RATE), np.int16)) for v in voices
    ]
    observed(
        "half speed, a minute", [surveyed(s).is_slow for s in slow], [surveyed(v).is_slow for v in voices]
    )
    observed(
        "clipped by 12 dB, a minute",
        [surveyed(mulaw_roundtrip(driven(v))).is_clipped for v in voices],
        [surveyed(v).is_clipped for v in voices],
    )
    clips = read_clips(data / "speech" / "clips.csv", split=args.split).clips
    rng = random.Random(args.seed)
    for opening in get_args(Opening):
        calls = list(assembled(clips, args.calls, opening, rng))
        silence = np.zeros(180 * SAMPLE_RATE, np.int16)
        observed(
            f"both in one channel, assembled calls of one to three minutes ({opening})",
            [is_both(spans(mixed(c.customer, c.agent), silence[: len(c.customer)])) for c in calls],
            [is_both(spans(side, silence[: len(side)])) for c in calls for side in (c.customer, c.agent)],
        )
        observed(
            f"sides swapped, assembled calls ({opening})",
            [greets(spans(c.agent, c.customer), "customer") for c in calls],
            [greets(spans(c.customer, c.agent), "customer") for c in calls],
        )
    sides = [
        soundfile.read(data / "calls" / f"auto_repairs_40_{side}.flac", dtype="int16")[0]
        for side in ("caller", "agent")
    ]
    length = min(map(len, sides))
    caller, agent = (side[:length] for side in sides)
    silence = np.zeros(MINUTE, np.int16)
    begun = range(0, length - MINUTE, 10 * SAMPLE_RATE)
    both = mixed(caller, agent)
    observed(
        "both in one channel, a minute of the human call",
        [is_both(spans(both[at : at + MINUTE], silence)) for at in begun],
        [is_both(spans(side[at : at + MINUTE], silence)) for side in (caller, agent) for at in begun],
    )
    observed(
        "sides swapped, the human call from its beginning",
        [greets(spans(agent, caller), "customer")],
        [greets(spans(caller, agent), "customer")],
    )
    observed(
        "sides swapped, begun anywhere (nobody greets)",
        [greets(spans(agent[at : at + MINUTE], caller[at : at + MINUTE]), "customer") for at in begun[1:]],
        [greets(spans(caller[at : at + MINUTE], agent[at : at + MINUTE]), "customer") for at in begun[1:]],
    )


if __name__ == "__main__":
    main()
