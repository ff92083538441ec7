"""Taps begin once the call is on disk, and only for customers whom no channel says to be opted out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.calls.consent import WRITTEN_S, Consent
from emocx_pbx.calls.effects import BeginTap
from emocx_pbx.calls.happenings import OptedOut
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.pbx.tracking.tracker import CallTracker

RULES = (AlertRule(name="angry", when="angry"),)
BEGIN = BeginTap("1.1", "1.2", None, RULES)


class Site:
    """A call in a queue, a manager link and a disk, and what was done in which order."""

    def __init__(self, group: asyncio.TaskGroup, opted_out: str = "") -> None:
        self.done: list[Any] = []
        self.opted_out, self.link_up = opted_out, True
        self.disk = asyncio.Event()
        self.tracker = CallTracker()
        self.tracker.announce("1.1", "PJSIP/customer-00000001", "+49", 1.0)
        taps: Any = SimpleNamespace(
            want=lambda call_id, target, mode, zero_at, alerts: self.done.append((mode, target, alerts)),
            unwant=lambda call_id, unheard: self.done.append("unwanted"),
        )
        self.consent = Consent(self, self.tracker, taps, group, self, self.done.append)  # type: ignore[arg-type]
        self.consent.link_up("stereo")

    async def written(self, within_s: float) -> None:
        assert within_s == WRITTEN_S
        await self.disk.wait()
        self.done.append("written")

    async def action(self, name: str, fields: Mapping[str, str]) -> Any:
        if not self.link_up:
            raise PeerUnavailable("link down")
        self.done.append(fields["Variable"])
        return SimpleNamespace(headers={"Value": self.opted_out})


@pytest.fixture
async def group() -> AsyncIterator[asyncio.TaskGroup]:
    async with asyncio.TaskGroup() as group:
        yield group


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nothing_is_tapped_before_its_part_is_written(group: asyncio.TaskGroup) -> None:
    site = Site(group)
    site.consent.begin(BEGIN)
    await settled()
    assert site.done == []
    site.disk.set()
    await settled()
    # What the customer wants is asked last: it is the newest that is known.
    assert site.done == ["written", "EMOCX_OPTOUT", ("stereo", "1.1", RULES)]


async def test_a_customer_who_opted_out_or_can_not_be_asked_is_not_tapped(group: asyncio.TaskGroup) -> None:
    out, unknown = Site(group, opted_out="1"), Site(group)
    unknown.link_up = False
    for site in (out, unknown):
        site.disk.set()
        site.consent.begin(BEGIN)
    await settled()
    assert out.done == ["written", "EMOCX_OPTOUT", "unwanted", OptedOut("1.1")]
    assert unknown.done == ["written"]


async def test_a_customer_who_hung_up_meanwhile_is_not_tapped(group: asyncio.TaskGroup) -> None:
    site = Site(group)
    site.consent.begin(BEGIN)
    await settled()
    site.tracker.forget("1.1")
    site.disk.set()
    await settled()
    assert site.done == ["written"]


async def test_both_sides_are_tapped_apart_where_asterisk_can_not_do_it_at_once(
    group: asyncio.TaskGroup,
) -> None:
    site = Site(group)
    site.consent.link_up("dual")
    site.disk.set()
    site.consent.begin(BEGIN)
    await settled()
    assert site.done[-2:] == [("customer", "1.1", RULES), ("agent", "1.2", RULES)]
