"""UserEvents: sent in order, cleaned, bounded, and never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from emocx_pbx.errors import EmocxError, PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.message import AmiResponse, checked_action
from emocx_pbx.pbx.ami.user_events import MAX_WAITING, UserEvents


class Asterisk:
    """Takes events, or fails as told."""

    def __init__(self, *failures: EmocxError | None) -> None:
        self.taken: list[Mapping[str, object]] = []
        self.failures = list(failures)
        self.deadlines: set[float | None] = set()

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        checked_action(name, fields or {})
        self.deadlines.add(deadline_s)
        failure = self.failures.pop(0) if self.failures else None
        self.taken.append(fields or {})
        if failure:
            raise failure
        return AmiResponse({})


async def sent(asterisk: Asterisk, *events: dict[str, str]) -> list[str]:
    counted: list[str] = []
    user_events = UserEvents(asterisk, counted.append)
    for event in events:
        user_events.tell("EmocxAlert", event)
    task = asyncio.create_task(user_events.run())
    for _ in range(len(events) + 2):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return counted


async def test_events_arrive_in_order_with_a_deadline() -> None:
    asterisk = Asterisk()
    assert await sent(asterisk, {"State": "raised"}, {"State": "cleared"}) == []
    assert [event["State"] for event in asterisk.taken] == ["raised", "cleared"]
    assert {event["UserEvent"] for event in asterisk.taken} == {"EmocxAlert"}
    assert asterisk.deadlines == {2.0}


async def test_no_value_breaks_out_of_its_header_or_is_too_long() -> None:
    asterisk = Asterisk()
    await sent(asterisk, {"Agent": "bob\r\nAction: Originate", "Message": "ä" * 5000})
    assert asterisk.taken[0]["Agent"] == "bob Action: Originate"
    assert asterisk.taken[0]["Message"] == "ä" * 240


async def test_what_can_not_be_told_is_counted_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    asterisk = Asterisk(PeerUnavailable("down"), RefusedError("no"), RefusedError("no"), None)
    counted = await sent(asterisk, *[{"N": str(n)} for n in range(4)])
    assert counted == ["user_events_lost"] * 3
    assert len(asterisk.taken) == 4


async def test_only_a_limited_number_of_events_waits() -> None:
    asterisk = Asterisk()
    counted = await sent(asterisk, *[{"N": str(n)} for n in range(MAX_WAITING + 5)])
    assert counted == ["user_events_lost"] * 5
    assert asterisk.taken[-1]["N"] == str(MAX_WAITING - 1)
