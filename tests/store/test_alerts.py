"""Alerts in the store: each once, with its end, its events, and gone with its call."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from emocx_pbx.domain import Segment
from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.store.list_rows import CallFilter
from emocx_pbx.store.rows import AlertRow

CRM = WebhookSettings(name="crm", url="http://127.0.0.1:1/", secret="whsec_" + "A" * 32)
RAISED = AlertRow("c", "angry", 3.0, 20.0, 120.0, 0, "bob", "Signals of anger.")
CLEARED = replace(RAISED, cleared_at=150.0, clear_reason="recovered", message="Over.")


@pytest.fixture
async def store(place: Path | str) -> AsyncIterator[Store]:
    opened = await Store.open(place, [CRM], now=lambda: 1000.0)
    await opened.calls.start("c", 100.0, "key", "+49", "care", None)
    await opened.calls.save_segment(Segment("c", 0, "bob", "PJSIP/bob", "care", "queue", 101.0))
    yield opened
    await opened.close()


def event(state: str) -> NewEvent:
    return NewEvent("call.alert", "c", {"state": state}, 120.0, state)


async def test_an_alert_is_kept_once_and_then_completed(store: Store) -> None:
    for _ in range(2):
        await store.alerts.save([RAISED], [event("raised")])
    assert await store.alerts.of_call("c") == (RAISED,)
    for at in (150.0, 160.0):
        await store.alerts.save([replace(CLEARED, cleared_at=at)], [event("cleared")])
    kept = replace(RAISED, cleared_at=150.0, clear_reason="recovered")
    assert await store.alerts.of_call("c") == (kept,)
    detail = await store.call("c")
    assert detail is not None and detail.alerts == (kept,)
    assert [e.type for e in detail.events] == ["call.alert"] * 2
    (listed,) = await store.lists.calls(CallFilter())
    assert listed.alerts == 1, "an episode, not its two events"


async def test_two_episodes_are_two_alerts(store: Store) -> None:
    later = replace(RAISED, t1=90.0, raised_at=190.0)
    await store.alerts.save([CLEARED, later])
    assert [a.t1 for a in await store.alerts.of_call("c")] == [20.0, 90.0]
    assert [a.t1 for a in await store.alerts.between(since=130.0)] == [90.0]
    assert [a.t1 for a in await store.alerts.between(limit=1)] == [90.0]


async def test_the_calls_end_ends_what_is_open(store: Store) -> None:
    await store.alerts.save([RAISED])
    await store.calls.end("c", 200.0, "hangup")
    (alert,) = await store.alerts.of_call("c")
    assert (alert.cleared_at, alert.clear_reason) == (200.0, "ended")


async def test_alerts_are_erased_with_the_customer(store: Store) -> None:
    await store.alerts.save([RAISED])
    await store.calls.end("c", 200.0, "hangup")
    counts = (await store.erasure.erase(customer_key="key")).counts
    assert counts["alerts"] == 1
    assert await store.alerts.between() == []
