"""Who may ask by FastAGI."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping

import pytest

from emocx_pbx.pbx.agi.allow import LOOK_UP_S, AllowList
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.settings.settings import AgiSettings


@pytest.mark.parametrize(
    ("peer", "ours", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1", True),
        ("::1", "::1", True),
        ("::ffff:127.0.0.1", "::", True),
        ("192.0.2.5", "192.0.2.5", True),  # this machine by its own address
        ("192.0.2.9", "192.0.2.5", True),  # asterisk.host
        ("10.1.2.3", "192.0.2.5", True),
        ("10.2.2.3", "192.0.2.5", False),
        ("2001:db8::1", "::", True),
        ("2001:db8:1::1", "::", False),
        ("203.0.113.1", "192.0.2.5", False),
        ("", "", False),
        ("nonsense", "nonsense", False),
    ],
)
async def test_this_machine_asterisk_and_named_hosts_may_ask(peer: str, ours: str, allowed: bool) -> None:
    listed = AllowList(["192.0.2.9"], ["10.1.0.0/16", "2001:db8::1"])
    assert await listed.allows(peer, ours) is allowed


async def test_a_name_that_is_not_found_allows_nobody_and_is_not_asked_for_each_request() -> None:
    now = 0.0
    asked: list[str] = []
    loop = asyncio.get_running_loop()

    async def getaddrinfo(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        raise OSError("no such host")

    loop.getaddrinfo = getaddrinfo  # type: ignore[method-assign, assignment]
    listed = AllowList(["pbx.invalid"], clock=lambda: now)
    for _ in range(10):
        assert not await listed.allows("203.0.113.1", "192.0.2.5")
    now += LOOK_UP_S
    assert not await listed.allows("203.0.113.1", "192.0.2.5")
    assert asked == ["pbx.invalid"] * 2


class Nobody(AllowList):
    async def allows(self, peer: str, ours: str) -> bool:
        return False


async def test_a_host_that_may_not_ask_is_not_listened_to() -> None:
    counts: Counter[str] = Counter()

    async def never(request: AgiRequest) -> Mapping[str, str]:
        raise AssertionError

    server = AgiServer(
        AgiSettings(port=0, deadline_s=1.0), never, count=lambda n: counts.update([n]), allow=Nobody("x")
    )
    await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    async with asyncio.timeout(5):
        assert await reader.read() == b""
    assert counts == {"agi_refused": 1}
    writer.close()
    await server.stop()
