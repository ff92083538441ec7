"""From a call's readings to those who are told: once, with the agent's part, and again after a crash."""

from __future__ import annotations

from typing import Any

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.calls.alerting import Alerted, Alerting
from emocx_pbx.calls.course import Course
from emocx_pbx.domain import Reading, Scores, Segment
from emocx_pbx.pbx.tracking.tracker import CallEnded

ANGRY = AlertRule(name="angry", when="angry", for_s=6, within_s=12, clear_s=2)
HANDED = AlertRule(name="handed", when="falling", for_s=3, by=0.5, since="transfer")
BOB = Segment("c", 0, "bob", "PJSIP/bob", "care", "queue", 1000.0)
EVE = Segment("c", 1, "eve", "PJSIP/eve", "care", "transfer", 1006.0)


class Listener:
    def __init__(self, *rules: AlertRule) -> None:
        self.told: list[Alerted] = []
        self.counted: list[tuple[str, ...]] = []
        self.rules: tuple[AlertRule, ...] = rules
        self.alerting = Alerting(
            lambda: self.rules, self.told.append, lambda: 1234.5, lambda *what: self.counted.append(what)
        )

    def says(self, course: Course, *signals: str) -> list[Alerted]:
        found = []
        for signal in signals:
            t0 = course.readings[-1].t1 if course.readings else 0.0
            scores = Scores((0.9, 0.1, 0, 0) if signal == "angry" else (0, 0.9, 0, 0.1))
            course.readings.append(Reading(t0, t0 + 3.0, 3.0, scores))
            found += self.alerting.read(course, course.readings[-1])
        return found


def a_call(**more: Any) -> Course:
    course = Course("c", zero_at=1000.0, queue="care", **more)
    course.segments[0] = BOB
    return course


def test_an_alert_is_told_once_and_again_when_it_is_over() -> None:
    listener, course = Listener(ANGRY), a_call()
    found = listener.says(course, *["angry"] * 4, *["calm"] * 6)
    assert listener.told == found
    assert [alerted.change.state for alerted in found] == ["raised", "cleared"]
    assert listener.counted == [("alerts", "angry")]
    assert found[0].user_event() == {
        "CallId": "c",
        "Rule": "angry",
        "State": "raised",
        "Queue": "care",
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
    listener, course = Listener(HANDED), a_call()
    listener.says(course, "calm", "calm")
    listener.alerting.segment_opened(course, EVE)
    course.segments[1] = EVE
    (alerted,) = listener.says(course, "angry", "angry")
    assert alerted.segment == EVE


def test_the_same_agent_again_is_no_transfer() -> None:
    listener, course = Listener(HANDED), a_call()
    listener.says(course, "calm", "calm")
    back = Segment("c", 1, "bob", "PJSIP/bob", "care", "queue", 1006.0)
    listener.alerting.segment_opened(course, back)
    assert listener.says(course, "angry", "angry") == []


def test_rules_changed_meanwhile_count_for_the_next_call() -> None:
    listener, course = Listener(ANGRY), a_call()
    listener.says(course, "angry")
    listener.rules = ()
    assert len(listener.says(course, "angry")) == 1
    assert listener.says(a_call(), "angry", "angry", "angry") == []


def test_the_end_of_a_call_ends_its_alerts_and_a_late_reading_raises_none() -> None:
    listener, course = Listener(ANGRY), a_call()
    listener.says(course, "angry", "angry")
    (over,) = listener.alerting.end(course, 1007.0)
    assert (over.change.state, over.change.reason, over.change.t1) == ("cleared", "ended", 7.0)
    assert listener.alerting.end(course, 1007.0) == []
    late = a_call(ended=CallEnded("c", 1007.0, "hangup"))
    assert listener.says(late, "angry", "angry") == []


def test_after_a_crash_a_call_goes_on_where_it_was() -> None:
    listener, course = Listener(ANGRY, HANDED), a_call()
    before = listener.says(course, "angry", "calm", "angry")
    stored = a_call(readings=list(course.readings))
    after = Listener(ANGRY, HANDED)
    # Stored again with the same keys, told to nobody.
    assert [a.row().t1 for a in after.alerting.recover(stored)] == [a.row().t1 for a in before]
    assert [a.event().event_id for a in after.alerting.recover(stored)] == [
        a.event().event_id for a in before
    ]
    assert after.told == []
    assert after.says(stored, "angry", "angry") == []
    assert [a.change.state for a in after.says(stored, *["calm"] * 5)] == ["cleared"]
