"""Whose words of a tapped call are heard, what becomes of them, and what never is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

import numpy as np
from analysis.analysis_helpers import Samples
from analysis.stub_worker import Loud

from emocx_pbx.analysis.budget import Budget, WordsGate
from emocx_pbx.analysis.messages import AnnounceTap, ReadingMade, TapEnded, WordsSaid
from emocx_pbx.analysis.windows import Phrase
from emocx_pbx.analysis.worker import tap as module
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.intake import Intake
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.analysis.worker.scribe import OnAnswer, Scribe
from emocx_pbx.analysis.worker.scribe_messages import Understood
from emocx_pbx.analysis.worker.tap import CallAudio, Tap
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.wire.message import Message

Call = tuple[Samples, Samples]
SETTINGS = AnalysisSettings(words="all")
UPSET = (0.8, 0.1, 0.05, 0.05)
UUID = str(uuid5(NAMESPACE_URL, "tap"))


class AtOnce:
    """A lane that works while one waits."""

    def put(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        done(work())

    def after(self, done: Callable[[], None]) -> None:
        done()


class Ear:
    """A scribe in the test's hand."""

    text_model = "lstm/3"

    def __init__(self) -> None:
        self.waiting: list[tuple[Phrase, OnAnswer]] = []
        self.phrases: list[Phrase] = []
        self.forgotten: list[str] = []

    def put(self, call_id: str, phrase: Phrase, observed: OnAnswer) -> None:
        self.phrases.append(phrase)
        self.waiting.append((phrase, observed))

    def forget(self, call_id: str) -> None:
        self.forgotten.append(call_id)
        waiting, self.waiting = self.waiting, []
        for _, observed in waiting:
            observed(None)

    def answer(self, probabilities: Any = UPSET, text: str | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for number, (_, observed) in enumerate(waiting):
            observed(Understood(number, probabilities, 0.4, text))


class Desk:
    """A stereo tap whose words are heard."""

    def __init__(self, voiced: bool = True, sampled: bool = False) -> None:
        self.sent: list[Message] = []
        self.ear = Ear()
        lane = cast(Lane, AtOnce())
        announced = AnnounceTap(UUID, "call-1", "stereo")
        self.intake = Intake(SETTINGS, 1)
        models = Models(speech=Loud())
        hearing = Hearing(models, Budget(False), 0.35, lambda: 0.0, lambda name: None) if voiced else None
        self.call = CallAudio(
            announced, self.intake, lane, self.sent.append, hearing, lambda: 0.0,
            cast(Scribe, self.ear), sampled,
        )  # fmt: skip
        self.tap = Tap(announced, self.call, lane, self.sent.append, lambda tap: None)

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.sent if isinstance(message, kind)]

    def play(self, customer: Samples, agent: Samples) -> None:
        pairs = np.stack([customer, agent], axis=1)
        for first in range(0, len(pairs), 800):
            piece = pairs[first : first + 800].astype("<i2").tobytes()
            self.tap.audio(piece, 8000, 1000.0 + (first + 800) / 8000)
            self.intake.run()

    def end(self) -> None:
        self.tap.ended("peer closed", 1030.0)


async def test_words_come_to_the_readings_of_their_time(call: Call) -> None:
    desk = Desk()
    desk.play(*call)
    first = desk.of(ReadingMade)
    assert first and all(r.words is None and not r.revises for r in first)
    desk.ear.answer()
    revised = desk.of(ReadingMade)[len(first) :]
    assert revised and all(r.revises and r.words is not None for r in revised)
    by_time = {(r.t0, r.t1): r for r in first}
    assert all(r.voice == by_time[r.t0, r.t1].probabilities for r in revised)
    assert desk.of(WordsSaid) == []


async def test_words_themselves_are_told_only_where_the_scribe_tells_them(call: Call) -> None:
    desk = Desk()
    desk.play(*call)
    desk.ear.answer(text="charged twice")
    assert {m.text for m in desk.of(WordsSaid)} == {"charged twice"}


async def test_the_agents_side_is_never_heard(call: Call) -> None:
    desk = Desk()
    desk.play(np.zeros_like(call[1]), call[1])
    desk.end()
    assert desk.ear.phrases == []


async def test_what_comes_back_of_the_agent_is_never_heard(call: Call) -> None:
    """An echo 12 dB down, 60 ms late, on a silent customer's side."""
    _, agent = call
    echo = (np.concatenate([np.zeros(480, np.int16), agent])[: len(agent)] * 0.25).astype(np.int16)
    desk = Desk()
    desk.play(echo, agent)
    desk.end()
    heard = sum(int((phrase.samples != 0).sum()) for phrase in desk.ear.phrases)
    loud = Desk()
    loud.play(echo, np.zeros_like(agent))
    loud.end()
    # Were it not for the gate, all of it would be.
    assert sum(len(phrase.samples) for phrase in loud.ear.phrases) > 5 * 8000
    assert heard < 0.3 * 8000


async def test_a_customer_who_opts_out_is_heard_no_more(call: Call) -> None:
    desk = Desk()
    desk.play(*call)
    assert desk.ear.waiting
    before = len(desk.of(ReadingMade))
    heard = len(desk.ear.phrases)
    desk.call.leave_alone()
    assert desk.ear.forgotten == ["call-1"]
    desk.play(*call)
    desk.end()
    assert len(desk.ear.phrases) == heard
    assert all(not r.revises for r in desk.of(ReadingMade)[before:])
    assert desk.of(TapEnded)


async def test_an_answer_after_the_opt_out_is_dropped(call: Call) -> None:
    desk = Desk()
    desk.play(*call)
    late = list(desk.ear.waiting)
    desk.ear.waiting = []
    desk.call.leave_alone()
    for number, (_, observed) in enumerate(late):
        observed(Understood(number, UPSET, 0.4, "my secret"))
    assert not [r for r in desk.of(ReadingMade) if r.revises]
    assert desk.of(WordsSaid) == []


async def test_the_end_waits_for_the_last_words(call: Call) -> None:
    desk = Desk()
    desk.play(*call)
    desk.end()
    assert desk.of(TapEnded) == []
    desk.ear.answer()
    assert desk.of(TapEnded)
    assert [r for r in desk.of(ReadingMade) if r.revises]
    assert isinstance(desk.sent[-1], TapEnded)


async def test_the_end_does_not_wait_for_long(call: Call, monkeypatch: Any) -> None:
    monkeypatch.setattr(module, "LAST_WORDS_S", 0.01)
    desk = Desk()
    desk.play(*call)
    desk.end()
    ended = asyncio.Event()

    def sent(message: Message) -> None:
        desk.sent.append(message)
        ended.set()

    desk.tap._send = sent
    async with asyncio.timeout(20):
        await ended.wait()
    assert desk.of(TapEnded)
    assert desk.ear.forgotten == ["call-1"]


async def test_some_phrases_are_sampled(call: Call) -> None:
    every, some = Desk(), Desk(sampled=True)
    for desk in (every, some):
        desk.play(*call)
        desk.end()
    wanted = [p for n, p in enumerate(every.ear.phrases) if n < 2 or (n - 2) % 3 == 2]
    assert [(p.t0, p.t1) for p in some.ear.phrases] == [(p.t0, p.t1) for p in wanted]
    assert len(some.ear.phrases) < len(every.ear.phrases)


async def test_without_a_voice_model_words_are_readings(call: Call) -> None:
    desk = Desk(voiced=False)
    assert desk.call.is_read
    desk.play(*call)
    desk.ear.answer()
    made = desk.of(ReadingMade)
    assert len(made) == len(desk.ear.phrases)
    assert all(r.voice is None and r.words == r.probabilities and not r.revises for r in made)
    assert {r.model for r in made} == {"lstm/3"}


async def test_words_that_were_not_understood_change_nothing(call: Call) -> None:
    desk = Desk()
    desk.play(*call)
    before = len(desk.of(ReadingMade))
    desk.ear.answer(probabilities=None)
    assert len(desk.of(ReadingMade)) == before


def test_words_are_the_first_to_be_left_out_and_the_last_to_come_back() -> None:
    gate = WordsGate()
    assert [gate.steer(2.0) for _ in range(7)] == [False] * 5 + [True] * 2
    assert not gate.steer(1.99)
    assert [gate.steer(2.0) for _ in range(6)] == [False] * 5 + [True]
