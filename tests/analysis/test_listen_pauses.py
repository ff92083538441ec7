"""A spoken question is understood at each pause, sooner while many speak, and thrown away if they go on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import numpy as np
import numpy.typing as npt
import pytest

from emocx_pbx.analysis.messages import AnnounceListen, ListenResult
from emocx_pbx.analysis.worker.guesses import Guesses
from emocx_pbx.analysis.worker.listen import FEW, PAUSE_S, SHORT_PAUSE_S, Listen
from emocx_pbx.audio.pcm import FloatArray, to_float
from emocx_pbx.settings.settings import AnalysisSettings

Samples = npt.NDArray[np.int16]
ASKED = AnnounceListen("7d5d3b0c-0000-0000-0000-000000000000", "call-1")


class Log:
    """What a Listen tells, in order."""

    def __init__(self) -> None:
        self.pauses: list[tuple[FloatArray, float]] = []
        self.kinds: list[str] = []
        self.now_s = 0.0
        self.at_s: list[float] = []
        self.end: tuple[str, FloatArray, float] | None = None

    def paused(self, asked: AnnounceListen, samples: FloatArray, speech_s: float) -> None:
        self.kinds.append("paused")
        self.at_s.append(self.now_s)
        self.pauses.append((samples, speech_s))

    def resumed(self, asked: AnnounceListen) -> None:
        self.kinds.append("resumed")

    def finished(self, asked: AnnounceListen, reason: str, samples: FloatArray, speech_s: float) -> None:
        self.kinds.append("finished")
        self.at_s.append(self.now_s)
        self.end = reason, samples, speech_s


def listened(samples: Samples, callers: int) -> Log:
    log = Log()
    listen = Listen(ASKED, AnalysisSettings(), log, lambda: callers, lambda: 0.0)
    for at in range(0, len(samples), 160):
        log.now_s = (at + 160) / 8000
        listen.audio(samples[at : at + 160].astype("<i2").tobytes(), 8000, log.now_s)
    return log


def silence(seconds: float) -> Samples:
    return np.zeros(round(8000 * seconds), np.int16)


@pytest.fixture
def said(call: tuple[Samples, Samples]) -> Samples:
    """Two seconds of speech that end in the middle of a word."""
    return call[0][: 2 * 8000]


@pytest.mark.parametrize(("callers", "pause_s"), [(1, PAUSE_S), (FEW, PAUSE_S), (FEW + 1, SHORT_PAUSE_S)])
def test_a_pause_is_told_sooner_while_many_speak(said: Samples, callers: int, pause_s: float) -> None:
    log = listened(np.concatenate([silence(0.4), said, silence(1.0)]), callers)
    assert log.kinds == ["paused", "finished"]
    assert log.end is not None and log.end[0] == "utterance"
    # The end is 0.8 s of silence, the pause was told after so much of it.
    assert log.at_s[1] - log.at_s[0] == pytest.approx(0.8 - pause_s, abs=0.001)
    # However many speak, and whether the pause was the end or not: the same is understood.
    assert (log.pauses[0][0] == log.end[1]).all()
    assert (log.end[1][-1600:] == 0).all() and (log.end[1][-1760:] != 0).any()


def test_a_caller_who_goes_on_after_a_short_pause_is_understood_whole(said: Samples) -> None:
    """0.3 s would not even end an utterance."""
    log = listened(np.concatenate([silence(0.4), said, silence(0.3), said, silence(1.0)]), FEW + 1)
    assert log.kinds == ["paused", "resumed", "paused", "finished"]
    last, _ = log.pauses[-1]
    spoken = np.concatenate([said, silence(0.3), said])
    assert len(last) >= len(spoken)
    assert (last[-len(spoken) - 1600 : -1600] == to_float(spoken)).all()
    few = listened(np.concatenate([silence(0.4), said, silence(0.3), said, silence(1.0)]), FEW)
    assert few.kinds == ["paused", "finished"]
    assert log.end is not None and few.end is not None
    assert (log.end[1] == few.end[1]).all() and log.end[2] == few.end[2]


class Slow:
    """Questions whose answers come when they are let."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun: list[tuple[str, float, float]] = []
        self.cancelled = 0

    async def speech(
        self, asked: AnnounceListen, reason: str, samples: FloatArray, speech_s: float, early_s: float = 0.0
    ) -> ListenResult:
        self.begun.append((reason, speech_s, early_s))
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return ListenResult(
            asked.uuid, asked.call_id, reason, "hello", None, 0.0, None, None, speech_s=speech_s
        )


class Answers:
    """Of questions that are over."""

    def __init__(self) -> None:
        self.coming: list[Awaitable[ListenResult]] = []

    def __call__(self, asked: AnnounceListen, answer: Awaitable[ListenResult]) -> None:
        self.coming.append(answer)


SAMPLES = np.zeros(160, np.float32)


async def test_a_right_guess_is_not_understood_twice() -> None:
    slow, answers = Slow(), Answers()
    guesses = Guesses(slow.speech, 0.8, answers)
    guesses.paused(ASKED, SAMPLES, 1.5)
    await asyncio.sleep(0)
    guesses.finished(ASKED, "utterance", SAMPLES, 1.6)
    slow.gate.set()
    answer = await answers.coming[0]
    assert slow.begun == [("utterance", 1.5, 0.8)]
    assert (answer.text, answer.speech_s) == ("hello", 1.6)


@pytest.mark.parametrize("reason", ["hangup", "limit", "utterance"])
async def test_a_wrong_guess_is_thrown_away(reason: str) -> None:
    slow, answers = Slow(), Answers()
    guesses = Guesses(slow.speech, 0.8, answers)
    guesses.paused(ASKED, SAMPLES, 1.5)
    await asyncio.sleep(0)
    if reason == "utterance":
        guesses.resumed(ASKED)
    guesses.finished(ASKED, reason, SAMPLES, 2.0)
    await asyncio.sleep(0)
    assert slow.cancelled == 1
    slow.gate.set()
    assert (await answers.coming[0]).speech_s == 2.0
    assert slow.begun == [("utterance", 1.5, 0.8), (reason, 2.0, 0.0)]
