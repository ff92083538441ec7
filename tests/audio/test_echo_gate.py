"""The agent's voice that comes back is found and left out; the customer's never is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.audio.echo_gate import BLOCK, EchoGate
from emocx_pbx.audio.pcm import from_float, mulaw_roundtrip, to_float
from emocx_pbx.audio.vad import FRAME, VoiceActivity, level_db

Samples = npt.NDArray[np.int16]
DATA = Path(__file__).parents[1] / "data" / "audio"


def load(name: str) -> Samples:
    return np.asarray(soundfile.read(DATA / name, dtype="int16")[0])


CUSTOMER, AGENT = load("call_customer.flac"), load("call_agent.flac")
SIZE = min(len(CUSTOMER), len(AGENT))
CUSTOMER, AGENT = CUSTOMER[:SIZE], AGENT[:SIZE]


def frames(samples: Samples) -> list[Samples]:
    return [samples[i : i + FRAME] for i in range(0, len(samples) - FRAME + 1, FRAME)]


def activity(samples: Samples) -> list[bool]:
    vad = VoiceActivity(2)
    return [vad.is_speech(frame, level_db(frame)) for frame in frames(samples)]


def own(customer: Samples, agent: Samples, flags: list[bool] | None = None) -> list[bool]:
    gate = EchoGate()
    heard = activity(customer) if flags is None else flags
    out: list[bool] = []
    for left, right, speech, speaks in zip(
        frames(customer), frames(agent), heard, activity(agent), strict=True
    ):
        out += gate.push(left, right, level_db(left), speech, speaks)
    return out + gate.finish()


def echo(db: float, delay: int, *, room: bool = False) -> Samples:
    """The agent's voice, `delay` samples late (early, if negative) and `db` weaker, over G.711."""
    rng = np.random.default_rng(3)
    answer = np.ones(1)
    if room:
        answer = rng.normal(size=2000) * np.exp(-np.arange(2000) / 400) * 0.15
        answer[0] = 1.0
        answer /= np.sqrt(np.sum(answer**2))
    voice = np.convolve(to_float(AGENT), answer)[:SIZE]
    late = np.concatenate([np.zeros(delay), voice])[:SIZE] if delay >= 0 else np.append(voice, [0] * -delay)
    return mulaw_roundtrip(from_float(late[-SIZE:] * 10 ** (-db / 20)))


@pytest.mark.parametrize("room", [False, True])
@pytest.mark.parametrize("delay", [-320, 0, 160, 1000, 3200])
@pytest.mark.parametrize("db", [6.0, 12.0, 20.0])
def test_an_echo_is_no_speech(db: float, delay: int, room: bool) -> None:
    returned = echo(db, delay, room=room)
    assert sum(own(returned, AGENT)) <= 0.06 * sum(activity(returned))


@pytest.mark.parametrize("db", [6.0, 12.0, 20.0])
def test_a_customer_who_speaks_into_an_echo_is_heard(db: float) -> None:
    both = from_float(to_float(CUSTOMER) + to_float(echo(db, 800, room=True)))
    alone = np.array(activity(CUSTOMER))
    kept = np.array(own(both, AGENT))
    assert kept[alone].mean() > 0.93
    assert kept[~alone].mean() < 0.2


def test_without_an_echo_nothing_is_lost() -> None:
    assert own(CUSTOMER, AGENT) == activity(CUSTOMER)
    assert own(CUSTOMER, np.roll(AGENT, SIZE // 2)) == activity(CUSTOMER)


@pytest.mark.parametrize("delay", [0, 160, 400, 3200])
def test_the_customers_own_echo_at_the_agents_loses_nothing(delay: int) -> None:
    returned = np.concatenate([np.zeros(delay, np.int16), CUSTOMER])[:SIZE] // 4
    assert own(CUSTOMER, returned.astype(np.int16)) == activity(CUSTOMER)


def test_one_voice_on_both_sides_is_not_an_echo() -> None:
    # An echo is weaker: of a mono recording copied to both sides nobody can say whose it is.
    assert own(CUSTOMER, CUSTOMER) == activity(CUSTOMER)


def test_the_delay_is_found() -> None:
    gate = EchoGate()
    returned = echo(12.0, 1000)
    for left, right, speech, speaks in zip(
        frames(returned), frames(AGENT), activity(returned), activity(AGENT), strict=True
    ):
        gate.push(left, right, level_db(left), speech, speaks)
    assert gate.delay_s == pytest.approx(0.125, abs=0.001)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.booleans(), max_size=200))
def test_with_a_silent_agent_every_flag_passes_at_once(flags: list[bool]) -> None:
    gate = EchoGate()
    silence = np.zeros(FRAME, np.int16)
    for flag, left in zip(flags, frames(CUSTOMER), strict=False):
        assert gate.push(left, silence, level_db(left), flag, False) == [flag]
    assert gate.finish() == []


@settings(max_examples=20, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=150), st.integers(0, 2**32 - 1))
def test_each_frame_is_told_once_in_order_and_soon(pairs: list[tuple[bool, bool]], seed: int) -> None:
    rng = np.random.default_rng(seed)
    gate = EchoGate()
    out: list[bool] = []
    for observed, (speech, speaks) in enumerate(pairs, 1):
        left, right = rng.integers(-9000, 9000, (2, FRAME), dtype=np.int16)
        out += gate.push(left, right, level_db(left), speech, speaks)
        assert observed - len(out) < BLOCK
    out += gate.finish()
    assert len(out) == len(pairs)
    assert not any(kept and not speech for kept, (speech, _) in zip(out, pairs, strict=True))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_how_loud_the_line_is_changes_nothing(factor: int) -> None:
    quiet = from_float((to_float(CUSTOMER) + to_float(echo(9.0, 480))) / 8)
    agent = (AGENT // 8).astype(np.int16)
    flags, speaks = activity(quiet), activity(agent)
    gates = EchoGate(), EchoGate()
    for left, right, speech, talks in zip(frames(quiet), frames(agent), flags, speaks, strict=True):
        loud = gates[1].push(left * factor, right * factor, level_db(left * factor), speech, talks)
        assert gates[0].push(left, right, level_db(left), speech, talks) == loud
