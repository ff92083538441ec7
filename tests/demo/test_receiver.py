from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime

import aiohttp
import pytest
from standardwebhooks import Webhook

from emocx_pbx.lab.receiver import Receiver, new_secret


async def send(crm: Receiver, event_id: str, body: str, secret: str | None = None) -> int:
    now = datetime.now(UTC)
    headers = {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": Webhook(secret or crm.secret).sign(event_id, now, body),
    }
    async with (
        aiohttp.ClientSession() as session,
        session.post(crm.url, data=body, headers=headers) as answer,
    ):
        return answer.status


def event(kind: str = "call.ended", call_id: str = "c1") -> str:
    return json.dumps({"type": kind, "timestamp": "2026-01-01T00:00:00.000Z", "data": {"call_id": call_id}})


async def test_a_signed_event_is_kept_once() -> None:
    async with Receiver() as crm:
        assert await send(crm, "e1", event()) == 204
        assert await send(crm, "e1", event()) == 204
        assert await send(crm, "e2", event(call_id="c2")) == 204
    assert len(crm.deliveries) == 3
    assert [e.call_id for e in crm.of("call.ended")] == ["c1", "c2"]
    assert [e.id for e in crm.of("call.ended", "c2")] == ["e2"]


async def test_a_wrong_signature_is_refused() -> None:
    async with Receiver() as crm:
        assert await send(crm, "e1", event(), new_secret()) == 401
    assert not crm.events
    assert [(d.signature_valid, d.why_invalid) for d in crm.deliveries] == [
        (False, "No matching signature found")
    ]


async def test_a_sender_to_the_ports_previous_owner_is_refused() -> None:
    async with Receiver() as before:
        address, port = before.url, before.port
    async with (
        Receiver(port=port) as crm,
        aiohttp.ClientSession() as session,
        session.post(address, data=event()) as answer,
    ):
        assert answer.status == 404
    assert not crm.deliveries


async def test_what_is_no_event_is_refused() -> None:
    async with Receiver() as crm:
        assert await send(crm, "e1", "[]") == 400
        assert await send(crm, "e1", "nonsense") == 400
    assert not crm.deliveries


async def test_waiting_ends_with_the_event_or_the_deadline() -> None:
    async with Receiver(answer=lambda received: 500) as crm:
        async with asyncio.TaskGroup() as group:
            group.create_task(crm.wait(lambda: crm.of("call.ended"), 5))
            assert await group.create_task(send(crm, "e1", event())) == 500
        with pytest.raises(TimeoutError):
            await crm.wait(lambda: False, 0.01)
