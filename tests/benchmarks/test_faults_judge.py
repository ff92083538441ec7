"""The judge of benchmarks.faults: a perfect history has no finding, and each broken promise has one."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from benchmarks.faults.__main__ import HISTORY, main
from benchmarks.faults.history import Caller, History, Measures, Observed, Talk, Usage, Window
from benchmarks.faults.judge import KINDS, Finding, judge
from benchmarks.faults.report import details

USAGE = Usage(
    controller_mib=60.0, workers_mib=100.0, web_mib=90.0, controller_fds=20, workers_fds=12, web_fds=9
)
CUT = Window("link-cut", began=110.0, ended=112.0, blind=True)


def caller(call_id: str = "c1", **changes: object) -> Caller:
    """Arrived at 100, in a queue at 100.5, with Ada from 101 to 130, when it ended."""
    person = Caller(call_id, "Local/x;1", 100.0, joined=100.5, ended=130.0)
    person.talks.append(Talk("Ada", f"{call_id}-leg", "PJSIP/ada-1", 101.0, 130.0))
    for name, value in changes.items():
        setattr(person, name, value)
    return person


def event(
    kind: str, sequence: int, call_id: str = "c1", agent: str | None = None, **changes: object
) -> Observed:
    observed = Observed(
        at=131.0,
        event_id=f"{call_id}-{kind}-{agent}-{sequence}",
        type=kind,
        call_id=call_id,
        sequence=sequence,
        body=json.dumps([kind, call_id, sequence]).encode(),
        agent=agent,
        status="ok" if kind == "query.routed" else None,
    )
    return replace(observed, **changes)  # type: ignore[arg-type]


def observed(call_id: str = "c1") -> list[Observed]:
    return [
        event("query.routed", 1, call_id),
        event("call.started", 2, call_id),
        event("call.graded", 3, call_id, "Ada"),
        event("call.ended", 4, call_id),
    ]


def history(**changes: object) -> History:
    known = History(
        callers=(caller(),),
        deliveries=tuple(observed()),
        waiting=(),
        windows=(CUT,),
        channels_left=(),
        processes_left=(),
        measures=Measures(USAGE, USAGE, USAGE, USAGE),
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def kinds(found: History) -> list[str]:
    return [finding.kind for finding in judge(found).findings]


def test_nothing_is_found_where_all_is_well() -> None:
    verdict = judge(history())
    assert verdict.kept
    assert verdict.findings == ()
    assert [(row.fault, row.times, row.callers) for row in verdict.rows] == [
        ("none", 0, 0),
        ("link-cut", 1, 1),
    ]
    assert verdict.total.callers == 1
    assert verdict.total.slowest_to_queue_s == 0.5
    assert verdict.total.told_after_s == 1.0


@pytest.mark.parametrize(
    ("joined", "ended", "late"),
    [(102.0, 130.0, False), (102.1, 130.0, True), (None, 130.0, True), (None, 101.9, False)],
)
def test_a_caller_is_in_a_queue_within_two_seconds(joined: float | None, ended: float, late: bool) -> None:
    person = caller(joined=joined, ended=ended, talks=[])
    found = kinds(history(callers=(person,), deliveries=(observed()[0], event("call.ended", 2))))
    assert ("late" in found) is late


def test_a_call_without_an_end() -> None:
    verdict = judge(history(deliveries=tuple(observed()[:3])))
    assert [f.kind for f in verdict.findings] == ["not_ended"]
    assert verdict.findings[0].subject == "c1"
    assert verdict.findings[0].faults == ("link-cut +10.0 to +12.0 s",)
    assert {row.fault: row.findings["not_ended"] for row in verdict.rows} == {"none": 0, "link-cut": 1}


def test_a_call_that_the_service_was_asked_about_must_end_even_without_a_queue() -> None:
    person = caller(joined=None, ended=101.0, talks=[])
    assert kinds(history(callers=(person,), deliveries=(observed()[0],))) == ["not_ended"]


def test_a_call_that_ended_twice() -> None:
    assert kinds(history(deliveries=(*observed(), event("call.ended", 5)))) == ["ended_twice"]


def test_a_call_that_never_started() -> None:
    events = (observed()[0], event("call.graded", 2, agent="Ada"), event("call.ended", 3))
    assert kinds(history(deliveries=events)) == ["not_started"]


def test_a_gap_and_a_wrong_order() -> None:
    first, second, third, last = observed()
    assert kinds(history(deliveries=(first, second, third, replace(last, sequence=5)))) == ["disorder"]
    assert kinds(history(deliveries=(first, third, second, last))) == ["disorder"]


def test_an_event_after_the_end_is_found() -> None:
    first, second, third, last = observed()
    events = (first, second, replace(last, sequence=3), replace(third, sequence=4))
    assert kinds(history(deliveries=events)) == ["disorder"]


def test_a_connected_agent_without_a_grade() -> None:
    first, second, _, last = observed()
    events = (first, second, replace(last, sequence=3))
    assert kinds(history(deliveries=events)) == ["ungraded"]
    brief = caller(talks=[Talk("Ada", "leg", "PJSIP/ada-1", 128.5, 130.0)])
    assert kinds(history(callers=(brief,), deliveries=events)) == []


def test_a_grade_too_many_and_one_of_another() -> None:
    *events, last = observed()
    twice = (*events, event("call.graded", 4, agent="Ada"), replace(last, sequence=5))
    assert kinds(history(deliveries=twice)) == ["overgraded"]
    other = (*events[:2], event("call.graded", 3, agent="Bob"), last)
    assert kinds(history(deliveries=other)) == ["ungraded", "overgraded"]


def test_a_grade_of_a_caller_who_opted_out_is_found() -> None:
    person = caller(opted_out=True)
    assert kinds(history(callers=(person,))) == ["overgraded"]
    first, second, _, last = observed()
    assert kinds(history(callers=(person,), deliveries=(first, second, replace(last, sequence=3)))) == []


def test_two_bodies_of_one_event() -> None:
    again = replace(observed()[3], body=b"{}")
    verdict = judge(history(deliveries=(*observed(), again)))
    assert [finding.kind for finding in verdict.findings] == ["two_bodies"]
    assert verdict.total.repeated == 1


def test_an_event_again_is_no_fault() -> None:
    verdict = judge(history(deliveries=(*observed(), observed()[3])))
    assert verdict.kept
    assert verdict.total.repeated == 1


def test_what_was_refused_does_not_count_as_told() -> None:
    *events, last = observed()
    refused = replace(last, accepted=False)
    assert kinds(history(deliveries=(*events, refused))) == ["not_ended"]
    assert kinds(history(deliveries=(*events, refused, last))) == []


def test_what_waits_in_the_outbox_is_late_not_lost() -> None:
    *events, last = observed()
    assert kinds(history(deliveries=tuple(events), waiting=(last,))) == ["undelivered"]
    # The receiver has it; the sender does not know.
    assert kinds(history(waiting=(last,))) == []


def test_a_wrong_signature() -> None:
    forged = replace(observed()[3], signed=False, accepted=False, event_id="x")
    assert kinds(history(deliveries=(*observed(), forged))) == ["unsigned"]


def test_events_of_a_call_that_nobody_made() -> None:
    assert kinds(history(deliveries=(*observed(), event("call.ended", 1, "ghost")))) == ["disorder"]


def test_nothing_is_asked_for_that_nobody_could_see() -> None:
    blind = Window("link-half-open", 99.0, 126.0, blind=True)
    ended = event("call.ended", 2)
    assert kinds(history(windows=(blind,), deliveries=(observed()[0], ended))) == []
    verdict = judge(history(windows=(blind,), deliveries=()))
    assert verdict.kept
    assert verdict.total.unseen == 1
    # But what began to be told is told to its end, and who was there before or after is seen.
    assert kinds(history(windows=(blind,), deliveries=(observed()[0],))) == ["not_ended"]
    assert kinds(history(windows=(replace(blind, began=101.0),), deliveries=())) == []
    seen = replace(blind, began=102.1)
    assert kinds(history(windows=(seen,), deliveries=())) == ["not_started", "not_ended", "ungraded"]
    not_blind = replace(blind, blind=False)
    assert kinds(history(windows=(not_blind,), deliveries=())) == ["not_started", "not_ended", "ungraded"]


def test_what_is_left_behind() -> None:
    left = history(channels_left=("AudioSocket/127.0.0.1:1-x",), processes_left=("process 7",))
    assert kinds(left) == ["left", "left"]


def test_a_service_that_ended_by_itself_and_a_run_that_saw_too_little() -> None:
    died = replace(CUT, problem="link-cut: the service does not run")
    verdict = judge(history(windows=(died,), problems=("the connection was lost",)))
    assert [finding.kind for finding in verdict.findings] == ["died", "untrue"]
    assert verdict.rows[1].findings["died"] == 1


@pytest.mark.parametrize("who", ["controller", "workers", "web"])
def test_growth(who: str) -> None:
    more = replace(USAGE, **{f"{who}_mib": getattr(USAGE, f"{who}_mib") + 41})
    assert kinds(history(measures=Measures(USAGE, USAGE, more, USAGE))) == ["growth"]
    open_ones = replace(USAGE, **{f"{who}_fds": getattr(USAGE, f"{who}_fds") + 26})
    assert kinds(history(measures=Measures(USAGE, USAGE, open_ones, USAGE))) == ["growth"]
    assert kinds(history(measures=Measures(USAGE, USAGE, None, open_ones))) == ["growth"]
    assert kinds(history(measures=Measures(USAGE, open_ones, open_ones, USAGE))) == []


def test_callers_outside_of_every_fault_have_a_row_of_their_own() -> None:
    before = caller("c0", arrived=50.0, joined=53.0, ended=90.0, talks=[])
    events = [event("query.routed", 1, "c0"), event("call.started", 2, "c0"), event("call.ended", 3, "c0")]
    verdict = judge(history(callers=(before, caller()), deliveries=(*events, *observed())))
    none, cut = verdict.rows
    assert (none.callers, none.findings["late"]) == (1, 1)
    assert (cut.callers, cut.findings["late"]) == (1, 0)
    assert verdict.total.callers == 2


def test_callers_during_a_fault_without_a_decision_are_counted() -> None:
    person = caller(arrived=110.5, joined=111.0, talks=[])
    events = (event("call.started", 1), event("call.ended", 2))
    assert judge(history(callers=(person,), deliveries=events)).total.by_default == 1
    assert judge(history()).total.by_default == 0


def test_every_kind_has_a_meaning() -> None:
    assert all(KINDS.values())
    assert Finding("late", "c1", "").kind in KINDS


def test_a_history_can_be_kept() -> None:
    assert msgspec.json.decode(msgspec.json.encode(history()), type=History) == history()


@pytest.mark.parametrize(("found", "status"), [(history(), 0), (history(deliveries=()), 1), (None, 2)])
def test_the_exit_status_says_whether_all_was_kept(
    found: History | None,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / HISTORY).write_bytes(b"{" if found is None else msgspec.json.encode(found))
    monkeypatch.setattr(sys, "argv", ["faults", "--judge", str(tmp_path), "--json"])
    assert main() == status
    said = capsys.readouterr()
    if found is None:
        assert said.err.count("\n") == 1
    else:
        observed = json.loads(said.out)
        assert observed["kept"] is (status == 0)
        assert [row["fault"] for row in observed["rows"]] == ["none", "link-cut"]
    monkeypatch.setattr(sys, "argv", ["faults", "--judge", str(tmp_path)])
    assert main() == status


def test_when_the_machine_stood_still_is_said_and_excuses_nothing() -> None:
    held_up = history(deliveries=(), stalls=((0.0, 1e12),))
    lines = details(held_up, judge(held_up))
    (said,) = [line for line in lines if line.startswith("the machine stood still")]
    assert all(caller.call_id in said for caller in held_up.callers)
    assert not judge(held_up).kept


def test_an_unknown_fault_ends_with_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["faults", "--only", "earthquake"])
    assert main() == 2
    assert "earthquake" in capsys.readouterr().err


def test_a_run_may_ask_for_callers_to_be_in_a_queue_sooner() -> None:
    person = caller(joined=101.9)
    assert kinds(history(callers=(person,))) == []
    assert [f.kind for f in judge(history(callers=(person,)), 1.8).findings] == ["late"]


def test_blindness_may_end_before_the_fault() -> None:
    """Another controller took over long before the one that was gone is back."""
    window = Window("controller-cut", 100.0, 140.0, blind=True)
    assert kinds(history(windows=(window,), deliveries=())) == []
    over = replace(window, blind_until=103.0)
    assert kinds(history(windows=(over,), deliveries=())) == ["not_started", "not_ended", "ungraded"]


def test_a_call_is_decided_once() -> None:
    started, graded, ended = observed()[1:]
    later = [replace(e, sequence=e.sequence + 1) for e in (started, graded, ended)]
    twice = [event("query.routed", 1), event("query.routed", 2), *later]
    assert kinds(history(deliveries=tuple(replace(e, event_id=str(n)) for n, e in enumerate(twice)))) == [
        "disorder"
    ]


def test_a_run_that_looks_at_no_usage_finds_no_growth() -> None:
    assert kinds(history(measures=None)) == []
    assert details(history(measures=None), judge(history(measures=None))) == []
