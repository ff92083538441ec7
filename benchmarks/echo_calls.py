"""Calls in which the agent's voice comes back in the customer's channel, with the true emotions.

Assembled from labelled clips: a customer who speaks neutrally, an agent of every emotion. The echo
is what a hybrid (some short reflections) or a speakerphone (a coloured room) makes of the agent's
line, late and weaker; both sides then go through G.711. Deterministic in the seed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import scipy.fft

from benchmarks.said_again import Speaker
from emocx_pbx.audio.pcm import SAMPLE_RATE, Int16Array, from_float
from emocx_pbx.domain import LABELS
from emocx_pbx.training.speech.augment import Rng, level, noise, tilt
from emocx_pbx.training.speech.data import Clip, FloatArray, on_line

EchoPath = Literal["hybrid", "room"]

LOSSES_DB: Final = (6.0, 12.0, 18.0, 24.0, 30.0)
DELAYS_S: Final = (0.0, 0.02, 0.06, 0.12, 0.25, 0.4)
PATHS: Final[tuple[EchoPath, ...]] = ("hybrid", "room")

#: Seconds of each call.
CALL_S: Final = 50.0
#: Noise of the customer's line, dB under their speech; None is a quiet line.
SNRS_DB: Final = (None, 30.0, 20.0)
#: Reverberation times of rooms (s), from a car to a meeting room.
ROOM_S: Final = (0.1, 0.5)

NEUTRAL: Final = 1


@dataclass(frozen=True, slots=True)
class EchoCall:
    """One call."""

    loss_db: float | None
    """How much weaker the echo is than the agent's line; None: there is no echo."""
    delay_s: float
    path: EchoPath
    double_talk: bool
    """Whether the customer speaks while the agent does, too."""
    customer: Int16Array
    """(n,) at 8 kHz: own speech, echo and noise."""
    own: Int16Array
    """(n,): the customer's own speech and the line's noise alone."""
    agent: Int16Array
    """(n,), in step."""
    said: tuple[tuple[float, float], ...]
    """When the customer's clips begin and end (s)."""


def echo_calls(clips: Sequence[Clip], seed: int, repeats: int = 1) -> list[EchoCall]:
    """Calls of every loss (and of none), delay and path, with and without double talk."""
    voices: dict[str, dict[int, list[Clip]]] = {}
    for clip in clips:
        voices.setdefault(clip.voice, {}).setdefault(clip.label, []).append(clip)
    speakers = sorted(voice for voice, labels in voices.items() if len(labels) == len(LABELS))
    rng = random.Random(seed)
    calls = []
    for loss_db in [*LOSSES_DB, None] * repeats:
        for delay_s in DELAYS_S:
            for path in PATHS:
                for double_talk in (False, True):
                    customer, agent = rng.sample(speakers, 2)
                    own, said, other = _talk(voices[customer][NEUTRAL], voices[agent], double_talk, rng)
                    numbers = np.random.default_rng(rng.getrandbits(32))
                    calls.append(
                        _over_lines(own, said, other, (loss_db, delay_s, path, double_talk), numbers)
                    )
    return calls


def _talk(
    customer: Sequence[Clip], agent: dict[int, list[Clip]], double_talk: bool, rng: random.Random
) -> tuple[FloatArray, list[tuple[float, float]], FloatArray]:
    """Both sides' speech (n,) in turns, and when the customer's clips are."""
    size = round(CALL_S * SAMPLE_RATE)
    sides = np.zeros((2, size), np.float32)
    said: list[tuple[float, float]] = []
    loudness = [rng.uniform(-30, -20) for _ in sides]
    speaker = Speaker()

    def put(side: int, clip: Clip, at: int) -> int:
        """Where the clip ends, or `size` when it doesn't fit."""
        samples = speaker.says(clip)
        end = at + samples.size
        if end > size:
            return size
        sides[side, at:end] += level(samples, loudness[side])
        if side == 0:
            said.append((at / SAMPLE_RATE, end / SAMPLE_RATE))
        return end

    def pause() -> int:
        return round(rng.uniform(0.2, 0.9) * SAMPLE_RATE)

    at = pause()
    while at < size:
        emotion = agent[rng.randrange(len(LABELS))]
        begin = at
        for _ in range(rng.randint(2, 5)):
            at = put(1, rng.choice(emotion), at) + pause()
        if double_talk:
            # One clip somewhere in the agent's turn.
            put(0, rng.choice(customer), rng.randint(begin, max(begin, min(at, size) - 1)))
        for _ in range(rng.randint(1, 3)):
            at = put(0, rng.choice(customer), at) + pause()
    return sides[0], said, sides[1]


def _over_lines(
    own: FloatArray,
    said: Sequence[tuple[float, float]],
    other: FloatArray,
    how: tuple[float | None, float, EchoPath, bool],
    rng: Rng,
) -> EchoCall:
    loss_db, delay_s, path, double_talk = how
    snr_db = SNRS_DB[int(rng.integers(len(SNRS_DB)))]
    if snr_db is not None:
        own = noise(own, snr_db, rng)
    agent = on_line(other)
    customer = own
    if loss_db is not None:
        customer = own + echo_of(agent, loss_db, delay_s, path, rng)
    return EchoCall(
        loss_db,
        delay_s,
        path,
        double_talk,
        from_float(on_line(customer)),
        from_float(on_line(own)),
        from_float(agent),
        tuple(said),
    )


def echo_of(agent: FloatArray, loss_db: float, delay_s: float, path: EchoPath, rng: Rng) -> FloatArray:
    """What comes back of samples (n,): same shape, `delay_s` late, `loss_db` weaker in all."""
    if path == "hybrid":
        answer = rng.normal(size=48) * np.exp(-np.arange(48) / 8)  # 6 ms
    else:
        n = round(rng.uniform(*ROOM_S) * SAMPLE_RATE)
        answer = 0.15 * rng.normal(size=n) * np.exp(-6.9 * np.arange(n) / n)
        answer[0] = 1.0
    size = scipy.fft.next_fast_len(agent.size + len(answer))
    echo: FloatArray = np.fft.irfft(np.fft.rfft(agent, size) * np.fft.rfft(answer, size), size)[
        : agent.size
    ].astype(np.float32)
    if path == "room":
        echo = tilt(echo, float(rng.uniform(-9, 6)), float(rng.uniform(100, 400)))
    late = np.concatenate([np.zeros(round(delay_s * SAMPLE_RATE)), echo])[: agent.size]
    gain = 10 ** (-loss_db / 20) * np.sqrt(np.mean(agent**2) / (np.mean(late**2) + 1e-12))
    returned: FloatArray = (gain * late).astype(np.float32)
    return returned
