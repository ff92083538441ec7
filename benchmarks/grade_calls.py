"""Calls with a known course of emotion, assembled from the clips of test speakers.

One speaker is the customer, another the agent; they take turns. Deterministic in the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from benchmarks.said_again import Speaker
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, from_float
from emocx_pbx.domain import LABELS, Reading, Scores
from emocx_pbx.training.speech.augment import level, noise
from emocx_pbx.training.speech.data import Clip, FloatArray, on_line

ANGRY, NEUTRAL, DISAPPOINTED, HAPPY = range(4)

#: Stages a call goes through; each gets an equal part of the customer's clips.
COURSES: Final[dict[str, tuple[tuple[int, ...], ...]]] = {
    "steady": ((ANGRY,), (NEUTRAL,), (DISAPPOINTED,), (HAPPY,)),
    "recovering": (
        (ANGRY, NEUTRAL),
        (ANGRY, NEUTRAL, HAPPY),
        (DISAPPOINTED, NEUTRAL),
        (DISAPPOINTED, HAPPY),
        (NEUTRAL, HAPPY),
    ),
    "worsening": (
        (NEUTRAL, ANGRY),
        (HAPPY, NEUTRAL, ANGRY),
        (NEUTRAL, DISAPPOINTED),
        (HAPPY, DISAPPOINTED),
        (HAPPY, ANGRY),
    ),
    "mixed": (
        (ANGRY, NEUTRAL, ANGRY),
        (NEUTRAL, ANGRY, NEUTRAL),
        (HAPPY, DISAPPOINTED, HAPPY),
        (DISAPPOINTED, ANGRY, HAPPY),
    ),
}

#: Seconds of customer speech: short and long calls.
SPEECH_S: Final = (16.0, 90.0)

#: Signal-to-noise ratios in dB; None is a quiet line.
SNRS_DB: Final = (None, 20.0, 10.0)


@dataclass(frozen=True, slots=True)
class AssembledCall:
    """One call, with what was truly in it."""

    voice: str
    """The customer's corpus and speaker."""
    course: str
    start: int
    """Label index of the customer's first clips."""
    snr_db: float | None
    customer: Int16Array
    """(n,) at 8 kHz."""
    agent: Int16Array
    """(n,), in step with the customer."""
    truth: tuple[Reading, ...]
    """One reading per clip of the customer, with probability 1 for its label."""


def assemble(clips: Sequence[Clip], number: int, seed: int) -> list[AssembledCall]:
    """`number` calls, courses and lengths spread evenly, from clips of speakers with all four labels."""
    voices: dict[str, dict[int, list[Clip]]] = {}
    for clip in clips:
        voices.setdefault(clip.voice, {}).setdefault(clip.label, []).append(clip)
    speakers = sorted(voice for voice, labels in voices.items() if len(labels) == len(LABELS))
    plans = [(course, stages) for course, all_stages in COURSES.items() for stages in all_stages]
    rng = random.Random(seed)
    calls = []
    for n in range(number):
        course, stages = plans[n % len(plans)]
        customer, agent = rng.sample(speakers, 2)
        calls.append(_call(customer, course, stages, voices[customer], voices[agent], rng))
    return calls


def _call(
    voice: str,
    course: str,
    stages: Sequence[int],
    customer: dict[int, list[Clip]],
    agent: dict[int, list[Clip]],
    rng: random.Random,
) -> AssembledCall:
    snr_db = rng.choice(SNRS_DB)
    loudness = rng.uniform(-30, -20)
    wanted = rng.uniform(*SPEECH_S)
    parts: tuple[list[FloatArray], list[FloatArray]] = ([], [])
    truth: list[Reading] = []
    at = 0
    speaker = Speaker()

    def add(speech: FloatArray, side: int) -> None:
        nonlocal at
        parts[side].append(speech)
        parts[1 - side].append(np.zeros(speech.size, np.float32))
        at += speech.size

    for stage in stages:
        heard = 0.0
        while heard < wanted / len(stages):
            for _ in range(rng.randint(1, 3)):
                clip = level(speaker.says(rng.choice(customer[stage])), loudness)
                begin = at / SAMPLE_RATE
                add(clip, 0)
                seconds = clip.size / SAMPLE_RATE
                truth.append(Reading(begin, begin + seconds, seconds, _certain(stage)))
                heard += seconds
                add(np.zeros(round(rng.uniform(0.2, 1.0) * SAMPLE_RATE), np.float32), 0)
            spoken = agent[rng.choice((NEUTRAL, HAPPY))]
            add(level(speaker.says(rng.choice(spoken)), loudness), 1)
            add(np.zeros(round(rng.uniform(0.2, 1.0) * SAMPLE_RATE), np.float32), 1)
    line = np.concatenate(parts[0])  # (n,)
    if snr_db is not None:
        line = noise(line, snr_db, np.random.default_rng(rng.getrandbits(32)))
    return AssembledCall(
        voice,
        course,
        stages[0],
        snr_db,
        from_float(on_line(line)),
        from_float(on_line(np.concatenate(parts[1]))),
        tuple(truth),
    )


def _certain(label: int) -> Scores:
    return Scores.of([float(i == label) for i in range(len(LABELS))])
