"""Times stay true whatever the network and the host do to the arrival of audio."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.analysis.arrival import ArrivalClock

Samples = npt.NDArray[np.int16]


def block(number: int, samples: int = 160) -> bytes:
    return np.full((samples, 2), number + 1, "<i2").tobytes()


def play(arrivals: list[tuple[float, int]]) -> tuple[ArrivalClock, Samples]:
    """Push numbered 20 ms blocks at the given times; the clock and all that came out."""
    clock = ArrivalClock(2)
    out: list[bytes] = []
    for at, number in arrivals:
        out += clock.push(at, block(number))
    out += clock.flush()
    return clock, np.frombuffer(b"".join(out), "<i2").reshape(-1, 2).T


def starts(audio: Samples) -> dict[int, float]:
    """When each numbered block begins in the output, s."""
    return {int(n) - 1: int(np.argmax(audio[0] == n)) / 8000 for n in np.unique(audio[0]) if n > 0}


def test_regular_audio_passes_at_once() -> None:
    clock = ArrivalClock(2)
    for number in range(100):
        blocks = clock.push(1000.0 + 0.02 * number, block(number))
        assert blocks == [block(number)]
    assert clock.started_at == pytest.approx(999.98)
    assert clock.audio_s == pytest.approx(2.0)
    assert clock.missing_s == 0.0
    assert clock.max_gap_s == pytest.approx(0.02)


@given(st.lists(st.floats(0, 0.15), min_size=2, max_size=60))
def test_jitter_fills_nothing(delays: list[float]) -> None:
    at = 0.0
    arrivals = []
    for number, delay in enumerate(delays):
        at = max(at, 0.02 * number + delay)
        arrivals.append((at, number))
    clock, audio = play(arrivals)
    assert clock.missing_s == 0.0
    assert audio[0].tolist() == [n + 1 for n in range(len(delays)) for _ in range(160)]


def test_a_stall_that_is_made_up_for_fills_nothing() -> None:
    # Our host stalls for 0.8 s; then all 40 messages come at once.
    arrivals = [(0.02 * n, n) for n in range(50)]
    arrivals += [(1.8 + 0.0001 * n, 50 + n) for n in range(40)]
    arrivals += [(1.82 + 0.02 * n, 90 + n) for n in range(50)]
    clock, audio = play(arrivals)
    assert clock.missing_s == 0.0
    assert clock.max_gap_s == pytest.approx(0.82)
    assert starts(audio)[139] == pytest.approx(139 * 0.02)


@given(st.floats(0.35, 20.0))
def test_audio_that_never_comes_becomes_silence(gap: float) -> None:
    arrivals = [(0.02 * n, n) for n in range(50)]
    arrivals += [(1.0 + gap + 0.02 * n, 50 + n) for n in range(50)]
    clock, audio = play(arrivals)
    assert clock.missing_s == pytest.approx(gap, abs=0.03)
    begin = starts(audio)
    assert begin[49] == pytest.approx(0.98)
    assert begin[50] == pytest.approx(1.0 + gap, abs=0.03)
    assert begin[99] == pytest.approx(begin[50] + 0.98)


def test_a_gap_at_the_very_end_is_not_lost() -> None:
    clock, audio = play([(0.0, 0), (0.02, 1), (5.0, 2)])
    assert starts(audio)[2] == pytest.approx(5.0, abs=0.03)
    assert clock.audio_s == pytest.approx(audio.shape[1] / 8000)


def test_small_losses_add_up_to_one_fill() -> None:
    # One message in twenty is missing: the lag grows by 20 ms each time.
    arrivals = [(0.02 * n, n) for n in range(1000) if n % 20 != 10]
    clock, audio = play(arrivals)
    begin = starts(audio)
    assert 0.6 <= clock.missing_s <= 1.0
    assert all(abs(begin[n] - 0.02 * n) <= 0.25 for _, n in arrivals)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=80))
def test_no_block_is_lost_or_turned_round(pauses: list[float]) -> None:
    at, arrivals = 0.0, []
    for number, pause in enumerate(pauses):
        at += pause
        arrivals.append((at, number))
    clock, audio = play(arrivals)
    heard = audio[0][audio[0] > 0]
    assert heard.tolist() == [n + 1 for n in range(len(pauses)) for _ in range(160)]
    assert clock.audio_s == pytest.approx(audio.shape[1] / 8000)
    assert clock.audio_s <= at + 0.02 * len(pauses) + 1e-6
