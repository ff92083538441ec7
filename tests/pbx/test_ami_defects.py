"""Each known defect of bare panoramisk 1.4, shown on it, and shown to be gone from the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from panoramisk import Manager
from pbx.ami_bench import gateway
from pbx.fake_ami import FakeAmi, message

from emocx_pbx.errors import PeerUnavailable, ProtocolError

INJECTION = "x\r\n\r\nAction: Originate\r\nActionID: evil\r\nChannel: PJSIP/expensive"


class Bare:
    """Panoramisk as it is, and what it told."""

    def __init__(self, ami: FakeAmi, secret: str) -> None:
        self.lost, self.news = asyncio.Event(), asyncio.Event()
        self.events: list[Any] = []
        self.manager = Manager(
            loop=asyncio.get_running_loop(),
            host="127.0.0.1",
            port=ami.port,
            username="emocx",
            secret=secret,
            ping_delay=3600,
            reconnect_timeout=0,
            on_disconnect=lambda manager, exc: self.lost.set(),
        )
        self.manager.register_event("*", self.take)

    def take(self, manager: Any, event: Any) -> None:
        self.events.append(event)
        self.news.set()

    async def until_event(self, name: str) -> None:
        async with asyncio.timeout(5):
            while name not in [event.event for event in self.events]:
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def bare(ami: FakeAmi, secret: str = "s3cret") -> AsyncIterator[Bare]:
    it = Bare(ami, secret)
    await it.manager.connect()
    await ami.until(lambda: bool(ami.seen("Login")))
    if secret == ami.secret:
        await it.until_event("FullyBooted")
    try:
        yield it
    finally:
        it.manager.reconnect_timeout = 3600
        it.manager.connect = lambda: None
        it.manager.close()


async def pending(future: asyncio.Future[Any]) -> bool:
    """Whether it is still not done after as long as the gateway's own deadline in these tests."""
    _, waiting = await asyncio.wait({future}, timeout=0.3)
    return bool(waiting)


async def test_header_injection() -> None:
    fields = {"Channel": "PJSIP/a-1", "Variable": "NAME", "Value": INJECTION}
    async with FakeAmi() as ami, bare(ami) as it:
        it.manager.send_action({"Action": "Setvar", **fields})
        await ami.until(lambda: bool(ami.seen("Originate")))
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        with pytest.raises(ProtocolError, match="line break in Value"):
            await hub.gateway.action("Setvar", fields)
        await hub.gateway.action("Ping")
        assert not ami.seen("Setvar") and not ami.seen("Originate")


async def test_actions_pending_for_ever() -> None:
    async with FakeAmi() as ami, bare(ami) as it:
        ami.mute.add("Getvar")
        assert await pending(it.manager.send_action({"Action": "Getvar", "Variable": "A"}))
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.mute.add("Getvar")
        with pytest.raises(PeerUnavailable, match=r"no answer to Getvar within 0\.05 s"):
            await hub.gateway.action("Getvar", {"Variable": "A"}, deadline_s=0.05)


async def test_stale_actions_resent_after_reconnect() -> None:
    async with FakeAmi() as ami, bare(ami) as it:
        ami.mute.add("Originate")
        future = it.manager.send_action({"Action": "Originate", "Channel": "PJSIP/a"})
        await ami.until(lambda: len(ami.seen("Originate")) == 1)
        await ami.cut()
        assert await pending(future)
        await ami.until(lambda: len(ami.seen("Originate")) == 2)
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.mute.add("Originate")
        waiting = asyncio.ensure_future(
            hub.gateway.action("Originate", {"Channel": "PJSIP/a"}, deadline_s=60)
        )
        await ami.until(lambda: len(ami.seen("Originate")) == 1)
        await ami.cut()
        with pytest.raises(PeerUnavailable, match="connection lost"):
            await waiting
        await hub.up(2)
        await hub.gateway.action("Ping")
        assert len(ami.seen("Originate")) == 1


async def test_split_utf8() -> None:
    stream = message(("Event", "Said"), ("Text", "café!"))
    cut = stream.index("é".encode()) + 1
    async with FakeAmi() as ami, bare(ami) as it:
        it.manager.protocol.data_received(stream[:cut])
        it.manager.protocol.data_received(stream[cut:])
        assert it.events[-1].text == "caf!"
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        link = hub.gateway._link
        assert link is not None
        link.protocol.data_received(stream[:cut])
        link.protocol.data_received(stream[cut:])
        assert hub.events[-1]["Text"] == "café!"


async def test_close_that_reconnects() -> None:
    async with FakeAmi() as ami, bare(ami) as it:
        it.manager.reconnect_timeout = 0.05
        await ami.cut()
        async with asyncio.timeout(5):
            await it.lost.wait()
        it.manager.close()
        await ami.until(lambda: ami.connections == 2)
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        await ami.cut()
        await hub.until(lambda: not hub.states[-1].up)
        hub.task.cancel()
        before = ami.connections
        assert await pending(asyncio.ensure_future(ami.until(lambda: ami.connections > before)))


async def test_a_ping_that_nobody_checks_ends_nothing() -> None:
    async with FakeAmi() as ami, bare(ami) as it:
        ami.mute.add("Ping")
        for _ in range(3):
            it.manager.pinger.cancel()
            it.manager.ping()
        await ami.until(lambda: len(ami.seen("Ping")) == 3)
        it.manager.pinger.cancel()
        assert await pending(asyncio.ensure_future(it.lost.wait()))
        assert not it.manager.protocol.transport.is_closing()
    async with FakeAmi() as ami, gateway(ami, ping_s=0.05, action_timeout_s=0.1) as hub:
        await hub.up()
        ami.mute.add("Ping")
        await hub.until(lambda: not hub.states[-1].up)
        assert hub.states[-1].reason == "ping unanswered for 0.1 s"
        assert hub.counts["ami_links_lost"] == 1


async def test_wrong_secret_swallowed() -> None:
    async with FakeAmi() as ami, bare(ami, secret="wrong") as it:
        # No exception, no callback, no second try: it just waits.
        assert await pending(asyncio.ensure_future(it.lost.wait()))
        assert it.manager.authenticated is False and ami.connections == 1
    async with FakeAmi() as ami, gateway(ami, secret="wrong") as hub:
        await hub.until(lambda: len(hub.waits) >= 5)
        assert [state.reason for state in hub.states] == ["login refused: Authentication failed"]
        assert hub.counts["ami_login_refused"] == 5
        # Not asked as often as an Asterisk that is only away, whose waits end at 4 s.
        assert hub.waits[4] > 4.0 > hub.waits[0]
        with pytest.raises(PeerUnavailable, match="login refused"):
            await hub.gateway.action("Ping")
        ami.secret = "wrong"  # the administrator mends it
        await hub.up()


async def test_unordered_callbacks() -> None:
    events = message(("Event", "Slow")) + message(("Event", "Quick"))
    order: list[str] = []
    done = asyncio.Event()

    async def take(manager: Any, event: Any) -> None:
        if event.event == "Slow":
            await asyncio.sleep(0.01)
        order.append(event.event)
        if len(order) == 2:
            done.set()

    async with FakeAmi() as ami, bare(ami) as it:
        for name in ("Slow", "Quick"):
            it.manager.register_event(name, take)
        ami.send(events)
        async with asyncio.timeout(5):
            await done.wait()
        assert order == ["Quick", "Slow"]
    async with FakeAmi() as ami, gateway(ami) as hub:
        await hub.up()
        ami.send(events * 500)
        await hub.until(lambda: hub.names.count("Quick") == 500)
        assert hub.names[-1000:] == ["Slow", "Quick"] * 500
