"""One-sided taps, gaps and ends, with the clock in the test's hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import pytest
from analysis.analysis_helpers import Samples
from analysis.stub_worker import Loud

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.budget import Budget
from emocx_pbx.analysis.messages import (
    AnnounceTap,
    CallerPlaced,
    ReadingMade,
    TapEnded,
    TapStarted,
    UtteranceEnded,
)
from emocx_pbx.analysis.pipeline import CallAnalyser
from emocx_pbx.analysis.worker.hearing import Hearing
from emocx_pbx.analysis.worker.intake import Intake
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.analysis.worker.tap import CallAudio, Tap, short_reason
from emocx_pbx.domain import CallerPlace, Reading, Span
from emocx_pbx.errors import ProtocolError
from emocx_pbx.settings.settings import AnalysisSettings
from emocx_pbx.wire.message import Message

Call = tuple[Samples, Samples]
SETTINGS = AnalysisSettings()


class AtOnce:
    """A lane that works while one waits."""

    def put(self, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        done(work())

    def after(self, done: Callable[[], None]) -> None:
        done()


class Desk:
    """Taps of one call and what they tell."""

    def __init__(self, *modes: str, alerts: tuple[AlertRule, ...] = ()) -> None:
        self.sent: list[Message] = []
        lane = cast(Lane, AtOnce())
        announced = [AnnounceTap(uuid_of(mode), "call-1", mode, alerts=alerts) for mode in modes]
        intake = self.intake = Intake(SETTINGS, 1)
        hearing = Hearing(Models(speech=Loud()), Budget(False), 0.35, lambda: 0.0, lambda name: None)
        self.call = CallAudio(announced[0], intake, lane, self.sent.append, hearing, lambda: 0.0)
        self.taps = {a.mode: Tap(a, self.call, lane, self.sent.append, lambda tap: None) for a in announced}

    def of(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.sent if isinstance(message, kind)]

    def play(self, mode: str, samples: Samples, first: int, at: float) -> None:
        """The 20 ms from sample `first` on, arriving at `at`; `samples` is (n,) or (n, 2)."""
        self.taps[mode].audio(samples[first : first + 160].astype("<i2").tobytes(), 8000, at)
        self.intake.run()


def uuid_of(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def expected(call: Call) -> tuple[list[Reading], list[Span]]:
    analyser = CallAnalyser(Loud(), SETTINGS)
    items = analyser.feed(*call) + analyser.finish()
    return [i for i in items if isinstance(i, Reading)], [i for i in items if isinstance(i, Span)]


@pytest.mark.parametrize("burst", [1, 40])
def test_two_one_sided_taps_read_as_a_stereo_one(call: Call, burst: int) -> None:
    """Also when the host stalls, and a second of each side comes at once."""
    desk = Desk("customer", "agent")
    for first in range(0, len(call[0]), 160 * burst):
        at = 1000.0 + min(first + 160 * burst, len(call[0])) / 8000
        for mode, samples in (("agent", call[1]), ("customer", call[0])):
            for piece in range(first, min(first + 160 * burst, len(samples)), 160):
                desk.play(mode, samples, piece, at)
    desk.taps["agent"].ended("peer closed", 1026.0)
    desk.taps["customer"].ended("peer closed", 1026.0)
    readings, spans = expected(call)
    assert [(r.t0, r.t1, r.probabilities) for r in desk.of(ReadingMade)] == [
        (r.t0, r.t1, r.scores.probabilities) for r in readings
    ]
    assert [(s.side, s.t0, s.t1) for s in desk.of(UtteranceEnded)] == [(s.side, s.t0, s.t1) for s in spans]
    assert {m.uuid for m in desk.of(TapEnded)} == {uuid_of("customer"), uuid_of("agent")}
    assert desk.of(TapEnded)[-1].audio_s == 26.0


def test_a_live_call_is_read_as_soon_as_an_alert_may_be_due_as_a_recorded_one_is(call: Call) -> None:
    alerts = (
        AlertRule(name="any speech", when="upset", at_least=0.01, for_s=4.5),
        AlertRule(name="more of it", when="upset", at_least=0.01, for_s=6.0),
    )
    desk = Desk("customer", alerts=alerts)
    for first in range(0, len(call[0]), 160):
        desk.play("customer", call[0], first, 1000.0 + first / 8000)
    desk.taps["customer"].ended("peer closed", 1026.0)
    live = [(r.t0, r.t1, r.probabilities) for r in desk.of(ReadingMade)]
    recorded = CallAnalyser(Loud(), SETTINGS, alerts=alerts)
    items = recorded.feed(call[0], np.zeros_like(call[0])) + recorded.finish()
    assert live == [(r.t0, r.t1, r.scores.probabilities) for r in items if isinstance(r, Reading)]
    usual = CallAnalyser(Loud(), SETTINGS)
    items = usual.feed(call[0], np.zeros_like(call[0])) + usual.finish()
    assert len(live) > sum(isinstance(item, Reading) for item in items)


def test_where_a_caller_lies_is_told_once_and_before_the_end(
    call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Loud, "place", CallerPlace("loud/1", (0.5,), 3))
    desk = Desk("customer", "agent")
    for first in range(0, len(call[0]), 160):
        for mode, samples in (("agent", call[1]), ("customer", call[0])):
            desk.play(mode, samples, first, 1000.0 + first / 8000)
    for mode in ("agent", "customer"):
        desk.taps[mode].ended("peer closed", 1026.0)
    told = [type(m) for m in desk.sent if isinstance(m, CallerPlaced | TapEnded)]
    assert told == [CallerPlaced, TapEnded, TapEnded]
    assert desk.of(CallerPlaced)[0].place == CallerPlace("loud/1", (0.5,), 3)


def test_a_customer_who_opted_out_is_told_of_nowhere(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Loud, "place", CallerPlace("loud/1", (0.5,), 3))
    desk = Desk("customer")
    for first in range(0, len(call[0]), 160):
        desk.play("customer", call[0], first, 1000.0 + first / 8000)
    desk.call.leave_alone()
    desk.taps["customer"].ended("ended", 1026.0)
    assert desk.of(TapEnded) and not desk.of(CallerPlaced)


def test_a_customer_alone_is_enough(call: Call) -> None:
    desk = Desk("customer")
    for first in range(0, len(call[0]), 160):
        desk.play("customer", call[0], first, 1000.0 + first / 8000)
    desk.taps["customer"].ended("peer closed", 1026.0)
    assert desk.of(ReadingMade)
    assert {span.side for span in desk.of(UtteranceEnded)} == {"customer"}


def test_a_muted_customer_keeps_true_times(call: Call) -> None:
    """An `o` tap sends nothing while its side is silent; readings still have the call's times."""
    desk = Desk("customer")
    muted = range(round(3.2 * 50), round(11.2 * 50))
    for number in range(len(call[0]) // 160):
        if number not in muted:
            desk.play("customer", call[0], number * 160, 1000.0 + number * 0.02)
    desk.taps["customer"].ended("peer closed", 1026.0)
    got = [(r.t0, r.t1) for r in desk.of(ReadingMade)]
    wanted = [(r.t0, r.t1) for r in expected(call)[0]]
    assert len(got) == len(wanted)
    for mine, reference in zip(got, wanted, strict=True):
        assert mine == pytest.approx(reference, abs=0.1)
    ended = desk.of(TapEnded)[0]
    assert ended.missing_s == pytest.approx(8.0, abs=0.05)
    assert ended.max_gap_s == pytest.approx(8.02, abs=0.01)


def test_the_start_is_when_the_first_sample_was_spoken(call: Call) -> None:
    desk = Desk("stereo")
    stereo = np.stack(call, axis=1)
    desk.play("stereo", stereo, 0, 1000.0)
    assert desk.of(TapStarted)[0].at == pytest.approx(999.98)
    desk.taps["stereo"].ended("idle", 1001.0)
    assert [m.reason for m in desk.of(TapEnded)] == ["idle"]


def test_a_new_agent_tap_joins_after_a_transfer(call: Call) -> None:
    desk = Desk("customer", "agent")
    half = 13 * 50
    for number in range(half):
        at = 1000.0 + number * 0.02
        desk.play("customer", call[0], number * 160, at)
        desk.play("agent", call[1], number * 160, at)
    desk.taps["agent"].ended("peer closed", 1013.0)
    again = AnnounceTap(uuid_of("second"), "call-1", "agent")
    lane = cast(Lane, AtOnce())
    desk.taps["agent"] = Tap(again, desk.call, lane, desk.sent.append, lambda tap: None)
    for number in range(half, 1300):
        at = 1000.0 + number * 0.02
        desk.play("customer", call[0], number * 160, at)
        desk.play("agent", call[1], number * 160, at)
    desk.taps["customer"].ended("peer closed", 1026.0)
    assert len(desk.of(ReadingMade)) == len(expected(call)[0])
    agent = [s for s in desk.of(UtteranceEnded) if s.side == "agent"]
    assert agent[0].t0 < 13 < agent[-1].t1


def test_another_rate_is_refused() -> None:
    desk = Desk("stereo")
    with pytest.raises(ProtocolError, match="a tap at 16000 Hz"):
        desk.taps["stereo"].audio(bytes(640), 16000, 1.0)


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("peer closed", "eof"),
        ("connection lost", "eof"),
        ("peer hung up", "eof"),
        ("idle", "idle"),
        ("malformed: cut in the middle of a message", "protocol"),
        ("handler failed", "protocol"),
        ("ended by us", "ended"),
        ("server stopped", "ended"),
    ],
)
def test_reasons(reason: str, word: str) -> None:
    assert short_reason(reason) == word
