"""From a call's readings to those who are told: once, with the agent's part, and again after a crash."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.messages import ReadingMade
from emocx_pbx.calls import alerts
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import Count, Effect, TellAlert, WriteAlerts
from emocx_pbx.calls.rules import Rules
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import AgentJoined, AgentLeft, CallEnded

ANGRY = AlertRule(name="angry", when="angry", for_s=6, within_s=12, clear_s=2)
HANDED = AlertRule(name="handed", when="falling", for_s=3, by=0.5, since="transfer")
NOW = 1234.5


@dataclass(frozen=True)
class WithAlerts(Rules):
    """The alert rules that a listener has now."""

    listener: Listener

    def alerts(self) -> Sequence[AlertRule]:
        return self.listener.rules


class Listener:
    """The rules in force, and what calls tell of them."""

    def __init__(self, *rules: AlertRule) -> None:
        self.rules: tuple[AlertRule, ...] = rules
        self.observed: list[Effect] = []

    def call(self, **more: Any) -> CallState:
        call = CallState("c", WithAlerts(load_rubric(), self), zero_at=1000.0, **more)
        call.take(AgentJoined("c", 1000.0, "l1", "bob", "PJSIP/bob", "care", "queue"), NOW)
        call.known_taps.add("u")
        return call

    def says(self, call: CallState, *signals: str) -> list[Alerted]:
        effects: list[Effect] = []
        for signal in signals:
            t0 = call.readings[-1].t1 if call.readings else 0.0
            scores = (0.9, 0.1, 0.0, 0.0) if signal == "angry" else (0.0, 0.9, 0.0, 0.1)
            effects += call.take(ReadingMade("u", "c", t0, t0 + 3.0, 3.0, scores, 0.0, "m"), NOW)
        self.observed += effects
        return alerted(effects)


def alerted(effects: list[Effect]) -> list[Alerted]:
    return [effect.alerted for effect in effects if isinstance(effect, TellAlert)]


def test_an_alert_is_told_once_and_again_when_it_is_over() -> None:
    listener = Listener(ANGRY)
    call = listener.call()
    found = listener.says(call, *["angry"] * 4, *["calm"] * 6)
    assert [alerted.change.state for alerted in found] == ["raised", "cleared"]
    counted = [e for e in listener.observed if isinstance(e, Count) and e.name == "alerts"]
    assert counted == [Count("alerts", "angry")]
    assert found[0].user_event() == {
        "CallId": "c",
        "Rule": "angry",
        "State": "raised",
        "Agent": "bob",
        "Interface": "PJSIP/bob",
        "Segment": "0",
        "From": "0.000",
        "To": "6.000",
        "Message": "Signals of anger in 6 of the last 12 seconds of the customer's speech.",
    }
    assert found[1].user_event()["Reason"] == "recovered"
    raised, cleared = (alerted.row() for alerted in found)
    assert (raised.t1, raised.cleared_at) == (cleared.t1, None)
    assert (cleared.cleared_at, cleared.clear_reason) == (1234.5, "recovered")


def test_an_alert_belongs_to_whom_the_customer_talked_with() -> None:
    listener = Listener(HANDED)
    call = listener.call()
    listener.says(call, "calm", "calm")
    call.take(AgentLeft("c", 1006.0, "l1", "attended_transfer"), NOW)
    call.take(AgentJoined("c", 1006.0, "l2", "eve", "PJSIP/eve", "care", "transfer"), NOW)
    (found,) = listener.says(call, "angry", "angry")
    assert found.segment == call.segments[1] and call.segments[1].agent == "eve"


def test_the_same_agent_again_is_no_transfer() -> None:
    listener = Listener(HANDED)
    call = listener.call()
    listener.says(call, "calm", "calm")
    call.take(AgentLeft("c", 1003.0, "l1", "consulted"), NOW)
    call.take(AgentJoined("c", 1006.0, "l1", "bob", "PJSIP/bob", "care", "queue"), NOW)
    assert len(call.segments) == 2
    assert listener.says(call, "angry", "angry") == []


def test_rules_changed_meanwhile_count_for_the_next_call() -> None:
    listener = Listener(ANGRY)
    call = listener.call()
    listener.says(call, "angry")
    listener.rules = ()
    assert len(listener.says(call, "angry")) == 1
    assert listener.says(listener.call(), "angry", "angry", "angry") == []


def test_the_end_of_a_call_ends_its_alerts_and_a_late_reading_raises_none() -> None:
    listener = Listener(ANGRY)
    call = listener.call()
    listener.says(call, "angry", "angry")
    call.taps.add("u")  # its last reading may still come
    call.take(CallEnded("c", 1007.0, "hangup"), NOW)
    assert listener.says(call, "angry", "angry") == []
    (over,) = alerted(alerts.end(call, 1007.0, NOW))
    assert (over.change.state, over.change.reason, over.change.t1) == ("cleared", "ended", 7.0)
    assert alerts.end(call, 1007.0, NOW) == []


def test_after_a_crash_a_call_goes_on_where_it_was() -> None:
    listener = Listener(ANGRY, HANDED)
    call = listener.call()
    before = listener.says(call, "angry", "calm", "angry")
    after = Listener(ANGRY, HANDED)
    stored = after.call(readings=list(call.readings))
    # Stored again with the same keys, told to nobody.
    (written,) = alerts.recover(stored)
    assert isinstance(written, WriteAlerts)
    assert [row.t1 for row in written.rows] == [a.row().t1 for a in before]
    assert [event.event_id for event in written.events] == [a.event().event_id for a in before]
    assert after.says(stored, "angry", "angry") == []
    assert [a.change.state for a in after.says(stored, *["calm"] * 5)] == ["cleared"]
