"""A call's page: lanes in call time, contributions that lead to their readings, what agents may see."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.calls.grades import graded_segment
from emocx_pbx.calls.rules import Rules
from emocx_pbx.calls.stored import stored_state
from emocx_pbx.domain import Reading, Scores, Segment, Span
from emocx_pbx.grading.revisions import disputed, overridden
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.store.rows import AlertRow, CallDetail, CallRow, CorrectionRow, GradeRow, HoldRow
from emocx_pbx.web.shown.call import call_view
from emocx_pbx.web.shown.scale import Scale
from emocx_pbx.web.shown.timeline import timeline

BEGIN = 1_764_000_000.0
#: The call waits 20 s, is tapped 1 s after the first agent came, and lasts 120 s.
TAPPED = BEGIN + 21
ANGRY, CALM, HAPPY = (0.85, 0.05, 0.05, 0.05), (0.05, 0.85, 0.05, 0.05), (0.02, 0.08, 0.05, 0.85)


def reading(t0: float, t1: float, scores: tuple[float, float, float, float]) -> Reading:
    return Reading(t0, t1, t1 - t0, Scores(scores, 0.4), "voice/1")


def segment(index: int, agent: str, t0: float, t1: float | None) -> Segment:
    end = None if t1 is None else BEGIN + t1
    return Segment("c1", index, agent, f"PJSIP/{agent}", "care", "transfer" if index else "queue",
                   BEGIN + t0, end, None if end is None else "agent_left")  # fmt: skip


def detail(*, ended: float | None = 120.0) -> CallDetail:
    """Angry with Ann, happy with Bob."""
    first = [reading(t, t + 3, ANGRY) for t in range(0, 36, 3)]
    second = [reading(t, t + 3, HAPPY) for t in range(45, 90, 3)]
    call = CallRow(
        "c1", BEGIN, None if ended is None else BEGIN + ended, None if ended is None else "hangup", "crm-1",
        "+49301", "care", None, TAPPED, BEGIN + 120,
    )  # fmt: skip
    spans = [Span("customer", 0, 36), Span("agent", 36, 44), Span("customer", 45, 90)]
    bare = CallDetail(
        call, None, (segment(0, "Ann", 20, 63), segment(1, "Bob", 64, ended)),
        tuple(first + second), tuple(spans), (HoldRow(BEGIN + 60, BEGIN + 64),), (), (),
    )  # fmt: skip
    if ended is None:
        return bare
    rubric = load_rubric()
    state = stored_state(bare, Rules(rubric))
    rows = tuple(
        GradeRow(
            "c1", s.index, 0, "automatic", BEGIN + 123, "emocx-pbx", "", graded_segment(state, s, rubric)
        )
        for s in bare.segments
    )
    return replace(bare, grades=rows)


def test_lanes_stand_at_their_time_in_the_call() -> None:
    view = call_view(detail(), BEGIN + 500)
    line, scale = view.timeline, Scale(0.0, 120.0)
    assert line.total_s == 120.0
    assert [(b.label, b.t0, b.t1) for b in line.segments] == [("Ann", 20.0, 63.0), ("Bob", 64.0, 120.0)]
    # Readings count from the first tapped sample, 21 s after the call began.
    assert line.stacks[0].t0 == 21.0
    assert line.stacks[0].x == scale.at(21.0)
    assert [(b.t0, b.t1) for b in line.waits] == [(0.0, 20.0), (63.0, 64.0)]
    assert [(b.t0, b.t1) for b in line.holds] == [(60.0, 64.0)]
    assert [m.at for m in line.handovers] == [64.0]
    assert view.wait_s == 20.0
    assert "ends mostly happy" in line.summary.lower()


def test_an_open_call_reaches_to_now() -> None:
    view = call_view(detail(ended=None), BEGIN + 200)
    assert view.ended_at is None
    assert view.timeline.total_s == 200.0
    assert view.timeline.segments[1].t1 == 200.0
    assert view.segments[1].open
    assert view.segments[1].grade is None


def test_every_contribution_leads_to_readings_of_its_own_part() -> None:
    whole = detail()
    view = call_view(whole, BEGIN + 500)
    for segment in view.segments:
        assert segment.grade is not None and segment.grade.score is not None
        assert math.isclose(sum(line.points for line in segment.lines), segment.grade.score, abs_tol=0.005)
        for line in segment.lines:
            for stretch in line.stretches:
                assert segment.t0 - 0.01 <= stretch.t0 < stretch.t1 <= segment.t1 + 0.01
            for index in line.readings:
                row = view.readings[index]
                assert row.agent == segment.agent
                assert line.name in row.counts_in
    worst = next(line for line in view.segments[0].lines if line.name == "Average of the signals")
    assert worst.points < 0
    # The opening, a third of the speech, is left out; only its last reading has a sliver beyond it.
    assert worst.stretches[0].words == "0:30 to 0:57"


def test_readings_are_drawn_once_where_windows_overlap() -> None:
    overlapping = replace(detail(), readings=tuple(reading(t, t + 4, CALM) for t in range(0, 30, 3)))
    stacks = timeline(overlapping, BEGIN + 500).stacks
    assert all(a.t1 <= b.t0 + 1e-9 for a, b in itertools.pairwise(stacks))


def test_bars_of_a_reading_stay_within_their_half() -> None:
    for stack in timeline(detail(), BEGIN + 500).stacks:
        up, down, further = stack.layers
        assert up.emotion == "happy" and up.y + up.height == pytest.approx(50, abs=0.02)
        assert down.y == 50 and further.y == pytest.approx(50 + down.height, abs=0.02)
        assert further.y + further.height <= 100


def test_an_alert_is_marked_where_it_was_raised_with_the_speech_that_raised_it() -> None:
    alert = AlertRow("c1", "angry", 10, 30, BEGIN + 52, 0, "Ann", "Signals of anger", BEGIN + 80, "recovered")
    mark = call_view(detail(), BEGIN + 500, alerts=[alert]).timeline.alerts[0]
    assert (mark.since, mark.at) == (31.0, 51.0)
    assert mark.title == "0:51: Signals of anger (over at 1:20: the signals recovered)"


def test_revisions_are_all_shown_and_the_newest_counts() -> None:
    whole = detail()
    first = whole.grades[0]
    set_to = overridden(first.grade, 61, load_rubric(), "sue", "He calmed him down")
    rows = (
        first,
        replace(first, revision=1, kind="override", author="sue", reason="He calmed him down", grade=set_to),
        replace(
            first, revision=2, kind="dispute", author="ann", reason="No", grade=disputed(set_to, "ann", "No")
        ),
        *whole.grades[1:],
    )
    segment = call_view(replace(whole, grades=rows), BEGIN + 500).segments[0]
    assert segment.grade is not None and segment.grade.score == 61
    assert [(r.kind, r.author) for r in segment.revisions] == [
        ("automatic", "emocx-pbx"), ("override", "sue"), ("dispute", "ann"),
    ]  # fmt: skip
    assert segment.disputed
    assert segment.lines[-1].name == "Set by a person"
    assert math.isclose(sum(line.points for line in segment.lines), 61, abs_tol=0.005)


def test_an_agent_sees_his_own_grades_alone() -> None:
    view = call_view(detail(), BEGIN + 500, only_agent="Bob")
    assert [segment.agent for segment in view.segments] == ["Bob"]
    assert not any(row.counts_in for row in view.readings if row.agent == "Ann")


def test_a_reading_shows_its_newest_correction() -> None:
    corrections = [
        CorrectionRow("c1", 3, 6, "neutral", "sue", "calm", BEGIN + 300),
        CorrectionRow("c1", 3, 6, "disappointed", "sue", "heard again", BEGIN + 400),
    ]
    rows = call_view(detail(), BEGIN + 500, corrections=corrections).readings
    assert [r.correction.emotion if r.correction else None for r in rows[:3]] == [None, "disappointed", None]


def test_a_call_nobody_answered_has_an_empty_page() -> None:
    lone = CallDetail(
        CallRow("c2", BEGIN, BEGIN + 40, "abandoned", None, None, "care", None, None, BEGIN + 40),
        None, (), (), (), (), (), (),
    )  # fmt: skip
    view = call_view(lone, BEGIN + 500)
    assert view.segments == () and view.readings == () and view.wait_s is None
    assert [(b.t0, b.t1) for b in view.timeline.waits] == [(0.0, 40.0)]
    assert view.end == "customer gave up waiting"


@given(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(-1e6, 1e6))
def test_scales_stay_within_the_drawing(low: float, span: float, value: float) -> None:
    scale = Scale(low, low + span)
    assert 0 <= scale.at(value) <= 100
    assert scale.width(value, value + span) >= 0
