"""In step with Asterisk again, however much happens meanwhile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import create_autospec

import pytest

from emocx_pbx.calls import recovery as module
from emocx_pbx.calls.hands import Hands
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.recovery import MAX_AGAIN, Recovery
from emocx_pbx.calls.rules import Rules
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.pbx.ami.message import AmiResponse
from emocx_pbx.pbx.tracking.tracker import CallTracker


def caller(number: int) -> dict[str, str]:
    return {
        "Uniqueid": f"1.{number}",
        "Channel": f"PJSIP/customer-{number:08x}",
        "Context": "in",
        "Exten": "q",
    }


def joins(number: int) -> dict[str, str]:
    return {"Event": "QueueCallerJoin", "Queue": "care", "Position": "1", "CallerIDNum": "", **caller(number)}


class Site:
    """An Asterisk in which callers join a queue while it is asked what it knows."""

    def __init__(self, bursts: Sequence[int]) -> None:
        self.asked = 0
        self._bursts, self._callers = list(bursts), 0
        self.tracker = CallTracker()
        ledger = Ledger(cast(Any, None), lambda up, why: None, lambda *what: None)
        hands = create_autospec(Hands, instance=True)
        self.journeys = Journeys(Rules(load_rubric()), ledger, hands, lambda *what: None, lambda: 100.0)
        store: Any = SimpleNamespace(calls=SimpleNamespace(ended_since=self._none, open=self._none))
        policies: Any = SimpleNamespace(met=self._nothing)
        self.recovery = Recovery(self, store, self.tracker, self.journeys, policies, lambda: 100.0)

    async def _nothing(self, what: object) -> None:
        pass

    async def _none(self, *what: object) -> list[Any]:
        return []

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        if name != "Status":
            return AmiResponse({})
        self.asked += 1
        before = self._callers
        for _ in range(self._bursts.pop(0) if self._bursts else 0):
            self._callers += 1
            self.recovery.on_ami(joins(self._callers))
        # What was there as the answer was made.
        inside = {"Event": "Status", "Application": "Queue", "Data": "care"}
        return AmiResponse({}, tuple({**inside, **caller(n)} for n in range(1, before + 1)))


async def test_what_comes_while_we_get_in_step_is_taken_afterwards() -> None:
    site = Site([3])
    await site.recovery.resync()
    assert sorted(site.journeys.calls) == ["1.1", "1.2", "1.3"] and site.asked == 1


async def test_events_that_were_too_many_to_keep_are_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 2)
    site = Site([5])
    await site.recovery.resync()
    assert sorted(site.journeys.calls) == [f"1.{n}" for n in range(1, 6)] and site.asked == 2


async def test_a_pbx_that_can_not_be_followed_is_not_asked_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_HELD", 2)
    site = Site([5] * 99)
    await site.recovery.resync()
    assert site.asked == MAX_AGAIN
