"""Nothing is graded while what was heard of a call a while ago may still arrive."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import create_autospec

import pytest
from boxes import Box
from calls.call_states import ANGRY, answered, ended

from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted
from emocx_pbx.calls import call_state, journeys, segments
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import Effect, WriteGrade
from emocx_pbx.calls.hands import Acting
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.rules import Rules
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.tracking.changes import AgentLeft, CallEnded

HEARD = ReadingMade("tap", "c", 1.0, 9.0, 8.0, ANGRY, 0.4, "mlp/1")


class Stream:
    """Whether it still holds something."""

    def __init__(self) -> None:
        self.behind, self.looks = True, Box()

    def __call__(self, call_id: str) -> bool:
        self.looks(call_id)
        return self.behind


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_state, "SETTLE_S", 0.0)
    monkeypatch.setattr(segments, "SETTLE_S", 0.0)
    monkeypatch.setattr(journeys, "LOOK_S", 0.001)


@pytest.fixture
def stream() -> Stream:
    return Stream()


@pytest.fixture
def written() -> Box:
    return Box()


@pytest.fixture
def following(stream: Stream, written: Box) -> Journeys:
    ledger = create_autospec(Ledger, instance=True)
    ledger.add.side_effect = written
    hands = create_autospec(Acting, instance=True)
    return Journeys(Rules(load_rubric()), ledger, hands, lambda *what, **of: None, behind=stream)


def grades(written: Box) -> list[WriteGrade]:
    return [effect for effect in written.found if isinstance(effect, WriteGrade)]


def taken_over() -> CallState:
    """A call with an agent, as the store knows it."""
    return replace(answered()[0], zero_at=10.0)


async def looked(stream: Stream, often: int) -> None:
    await stream.looks.until(lambda: len(stream.looks.found) >= often)


@pytest.mark.parametrize("its_tap_ends", [True, False])
async def test_a_call_that_ended_before_it_was_taken_over_is_graded_by_what_was_heard(
    following: Journeys, stream: Stream, written: Box, its_tap_ends: bool
) -> None:
    following.adopt(taken_over())
    following.put(CallEnded("c", 20.0, "hangup"))
    await looked(stream, 5)
    assert not grades(written)
    messages: list[TapStarted | ReadingMade | TapEnded] = [TapStarted("tap", "c", 10.0), HEARD]
    if its_tap_ends:  # another tap's messages may come after it
        messages.append(TapEnded("tap", "c", 20.0, "eof", 10.0, 0.1, 0.0))
    for message in messages:
        following.put(message)
    await looked(stream, len(stream.looks.found) + 5)
    assert not grades(written)
    stream.behind = False
    await written.until(lambda: grades(written))
    assert grades(written)[0].grade.evidence_s == pytest.approx(8.0)
    assert ended(list[Effect](written.found))["reason"] == "hangup"


async def test_an_agents_part_waits_for_it_too(following: Journeys, stream: Stream, written: Box) -> None:
    following.adopt(taken_over())
    following.put(AgentLeft("c", 20.0, "l1", "agent_hung_up"))
    await looked(stream, 5)
    assert not grades(written)
    stream.behind = False
    await written.until(lambda: grades(written))


async def test_a_call_that_was_never_heard_elsewhere_ends_at_once(
    following: Journeys, stream: Stream, written: Box
) -> None:
    stream.behind = False
    following.adopt(taken_over())
    following.put(CallEnded("c", 20.0, "hangup"))
    assert grades(written)
