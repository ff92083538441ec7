"""What crosses between controller and worker: checked where it is made and where it arrives."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest
from analysis.analysis_helpers import Asterisk, Inbox, announce_tap

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ClassifyText,
    EndSession,
    TapStarted,
    TextResult,
    ToWorker,
    WorkerStats,
)
from emocx_pbx.analysis.pool import WorkerLost, WorkerPool
from emocx_pbx.errors import ProtocolError
from emocx_pbx.wire.link import MAX_BYTES, Link
from emocx_pbx.wire.message import BadMessage

ID = "5a0f1f9e-0000-4000-8000-000000000001"


@pytest.mark.parametrize(
    "make",
    [
        lambda: EndSession("5a"),
        lambda: EndSession(ID.upper()),
        lambda: EndSession(ID + "\n"),
        lambda: AnnounceListen("", "call"),
        lambda: AnnounceListen(ID, "c" * 201),
        lambda: AnnounceListen(ID, ""),
        lambda: AnnounceTap(ID, "call", "sideways"),
        lambda: AnnounceTap(ID, "call", "stereo", offset_s=math.nan),
        lambda: AnnounceTap(ID, "call", "stereo", ttl_s=math.inf),
        lambda: AnnounceTap(ID, "call", "stereo", alerts=(AlertRule(name="a", when="angry", for_s=1e-9),)),
        lambda: AnnounceTap(ID, "call", "stereo", alerts=(AlertRule(name="a", when="angry"),) * 2),
        lambda: ClassifyText("q1", "x" * 70_001),
        lambda: TextResult("q1", (math.nan, 0.0, 0.0, 1.0), 0.4),
        lambda: WorkerStats(1, {"taps": math.nan}),
    ],
)
def test_what_is_no_message_is_never_made(make: Callable[[], object]) -> None:
    with pytest.raises(BadMessage):
        make()


async def pair() -> tuple[Link[Any], asyncio.StreamWriter]:
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_unix_connection(sock=ours)
    _, other = await asyncio.open_unix_connection(sock=theirs)
    return Link(reader, writer, msgspec.msgpack.Decoder(ToWorker)), other


def frame(value: object) -> bytes:
    body = value if isinstance(value, bytes) else msgspec.msgpack.encode(value)
    return len(body).to_bytes(4, "big") + body


async def test_a_bad_message_costs_itself_alone() -> None:
    link, other = await pair()
    for bad in ({"type": "EndSession", "uuid": "5a"}, {"type": "Nothing"}, [1], b"\xc1", b"", "text"):
        other.write(frame(bad))
        with pytest.raises(BadMessage):
            await link.receive()
    other.write(frame({"type": "EndSession", "uuid": ID}))
    assert await link.receive() == EndSession(ID)
    other.write(b"\xff\xff\xff\xff")
    with pytest.raises(ProtocolError) as broken:
        await link.receive()
    assert not isinstance(broken.value, BadMessage)
    other.close()
    await link.close()


async def test_what_the_other_end_would_not_take_is_not_sent() -> None:
    link, other = await pair()
    with pytest.raises(BadMessage, match="at most"):
        link.send(WorkerStats(1, {"x" * MAX_BYTES: 1.0}))
    with pytest.raises(BadMessage):
        link.send(ClassifyText("q1", "\ud800"))
    other.close()
    await link.close()


async def test_no_message_ends_a_worker_or_its_taps(pool: WorkerPool, inbox: Inbox, uuid: UUID) -> None:
    worker = announce_tap(pool, uuid, "call-1")
    asterisk = await Asterisk.connect(worker.port, uuid)
    asterisk.send(0x10, bytes(640))
    await inbox.until(lambda: inbox.of(TapStarted))
    link = worker._child.link
    assert link is not None
    for bad in ({"type": "AnnounceListen", "uuid": "x", "call_id": "c"}, {"type": "Nothing"}, [1], b"\xc1"):
        link._writer.write(frame(bad))
    pid = worker.pid
    assert (await pool.classify_text("angry", 5.0)).probabilities is not None
    assert pool.pick_own().pid == pid and not inbox.of(WorkerLost)
    assert str(uuid) in worker.uuids
    await asterisk.hang_up()
