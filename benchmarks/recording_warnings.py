"""How often each rule about a recording is right, on real voices: found, and false alarms.

python benchmarks/recording_warnings.py [--data ../shared/data]: the speakers of speech/ one by one and in
pairs, and the human call of calls/, whole and begun anywhere.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from emocx_pbx.analysis.recorded_warnings import greets, is_both
from emocx_pbx.analysis.windows import CallSegmenter
from emocx_pbx.audio.interleaved import is_interleaved
from emocx_pbx.audio.pcm import SAMPLE_RATE, mulaw_roundtrip
from emocx_pbx.audio.survey import SideSurvey
from emocx_pbx.domain import Span
from emocx_pbx.settings.settings import AnalysisSettings

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


def told(what: str, found: list[bool], false: list[bool]) -> None:
    print(f"| {what} | {sum(found)} of {len(found)} | {sum(false)} of {len(false)} |")


def driven(samples: Samples) -> Samples:
    """12 dB over full scale."""
    peak = max(1, int(np.abs(samples.astype(int)).max()))
    loud: Samples = np.clip(samples * (4 * 32767 / peak), -32768, 32767).astype(np.int16)
    return loud


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    data = parser.parse_args().data
    voices = [
        mulaw_roundtrip(soundfile.read(path, dtype="int16", frames=MINUTE)[0])
        for path in sorted((data / "speech").glob("*/*"))
    ]
    print("| rule | found | false alarms |\n|---|---|---|")
    pairs = [np.stack([a[:n], b[:n]], axis=1).ravel() for a, b in pairwise(voices)
             for n in [min(len(a), len(b))]]  # fmt: skip
    told(
        "interleaved, stretches of 10 s read as one channel",
        [is_interleaved(s) for pair in pairs for s in stretches(pair, 10)],
        [is_interleaved(s) for voice in voices for s in stretches(voice, 10)],
    )
    slow = [
        mulaw_roundtrip(np.asarray(soxr.resample(v, SAMPLE_RATE, 2 * SAMPLE_RATE), np.int16)) for v in voices
    ]
    told("half speed, a minute", [surveyed(s).is_slow for s in slow], [surveyed(v).is_slow for v in voices])
    told(
        "clipped by 12 dB, a minute",
        [surveyed(mulaw_roundtrip(driven(v))).is_clipped for v in voices],
        [surveyed(v).is_clipped for v in voices],
    )
    sides = [
        soundfile.read(data / "calls" / f"auto_repairs_40_{side}.flac", dtype="int16")[0]
        for side in ("caller", "agent")
    ]
    length = min(map(len, sides))
    caller, agent = (side[:length] for side in sides)
    silence = np.zeros(MINUTE, np.int16)
    begun = range(0, length - MINUTE, 10 * SAMPLE_RATE)
    mixed = (caller // 2 + agent // 2).astype(np.int16)
    told(
        "both in one channel, a minute of the human call",
        [is_both(spans(mixed[at : at + MINUTE], silence)) for at in begun],
        [is_both(spans(side[at : at + MINUTE], silence)) for side in (caller, agent) for at in begun],
    )
    told(
        "sides swapped, the human call from its beginning",
        [greets(spans(agent, caller), "customer")],
        [greets(spans(caller, agent), "customer")],
    )
    told(
        "sides swapped, begun anywhere (nobody greets)",
        [greets(spans(agent[at : at + MINUTE], caller[at : at + MINUTE]), "customer") for at in begun[1:]],
        [greets(spans(caller[at : at + MINUTE], agent[at : at + MINUTE]), "customer") for at in begun[1:]],
    )


if __name__ == "__main__":
    main()
