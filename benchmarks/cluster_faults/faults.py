"""The faults, each a coroutine that breaks a part of a site, keeps it broken for a while and mends it.

It answers until when (Unix seconds) nobody could see the calls of a PBX; None: the fault's whole time, where
it blinds at all.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from benchmarks.cluster_faults.site import PBXES, Node, Site
from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.lab.host import Host
from emocx_pbx.lab.nats import PrivateNats

AWAY_S: Final = 30.0
#: By this time after its last sign of life another controller acts.
OVER_S: Final = 5.0
#: Nobody waits longer than this for it.
LONGEST_OVER_S: Final = 30.0
#: Between two looks at what web nodes show.
SHOWN_S: Final = 0.5

Deed = Callable[[Site, Node], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that fails."""

    name: str
    what: str
    """What is done, in a few words."""
    strike: Callable[[Site, int], Awaitable[float | None]]
    """Break and mend; given which time this is, counted from 0."""
    blinds: bool = False
    """Nobody can see a PBX's calls meanwhile: of what lies in this time alone, nothing is asked."""
    servers: int = 1
    """NATS servers that it needs."""
    over_s: float | None = None
    """By this time another controller acts; None: nobody has to hurry."""


async def _killed(site: Site, node: Node) -> None:
    await node.process.kill()
    await asyncio.sleep(site.chance.uniform(0.2, 3))
    await node.start()


async def _restarted(site: Site, node: Node) -> None:
    await node.process.stop()
    await node.start()


async def _frozen(site: Site, node: Node) -> None:
    node.process.signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(site.chance.uniform(6, 12))
    finally:
        node.process.signal(signal.SIGCONT)


async def _cut(site: Site, node: Node) -> None:
    await _off(site, node.host, site.chance.uniform(6, 12))


async def _off(site: Site, host: Host, seconds: float) -> None:
    site.network.cut(host)
    try:
        await asyncio.sleep(seconds)
    finally:
        site.network.mend(host)


def _of(role: str, deed: Deed) -> Callable[[Site, int], Awaitable[float | None]]:
    """Some node of a role."""

    async def strike(site: Site, number: int) -> float | None:
        await deed(site, site.some(role))
        return None

    return strike


def _of_web(deed: Deed) -> Callable[[Site, int], Awaitable[float | None]]:
    """A web node: people and programs whom the others serve notice nothing."""

    async def strike(site: Site, number: int) -> float | None:
        struck = site.some("web")
        serving = asyncio.create_task(_serve(site, [n for n in site.of("web") if n is not struck]))
        try:
            await deed(site, struck)
            if serving.done():
                serving.result()
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
        return None

    return strike


async def _serve(site: Site, nodes: Sequence[Node]) -> None:
    """Have live calls shown, until cancelled.

    Raises:
        PeerUnavailable: a node does not show them.
    """
    while True:
        for node in nodes:
            if why := await site.shown_by(node):
                raise PeerUnavailable(f"meanwhile {node.name} shows no live calls: {why}")
        await asyncio.sleep(SHOWN_S)


def _of_controller(deed: Deed) -> Callable[[Site, int], Awaitable[float | None]]:
    """The controller that acts for a PBX: until another one does, nobody sees that PBX."""

    async def strike(site: Site, number: int) -> float | None:
        terms = await site.terms()
        node = site.nodes[terms[PBXES[number % len(PBXES)]].holder]
        its = {pbx: term for pbx, term in terms.items() if term.holder == node.name}
        over = asyncio.create_task(site.acts(its, LONGEST_OVER_S))
        try:
            await deed(site, node)
            return await over
        finally:
            over.cancel()

    return strike


async def _standby_killed(site: Site, number: int) -> float | None:
    acting = {term.holder for term in (await site.terms()).values()}
    standing_by = [node for node in site.of("controller") if node.name not in acting]
    await _killed(site, (standing_by or site.of("controller"))[0])
    return None


async def _controller_unlinked(site: Site, number: int) -> float | None:
    """It reaches the database and all else, so nobody would miss it but for its own word."""
    pbx = PBXES[number % len(PBXES)]
    term = (await site.terms())[pbx]
    hosts = site.nodes[term.holder].host, site.pbxes[pbx].host
    site.network.part(*hosts)
    try:
        return await site.acts({pbx: term}, LONGEST_OVER_S)
    finally:
        site.network.join(*hosts)


async def _worker_unlinked(site: Site, number: int) -> float | None:
    """It answers the controllers and has no calls, so it would always be the one to choose."""
    worker = site.some("worker").host
    pbxes = [pbx.host for pbx in site.pbxes.values()]
    for pbx in pbxes:
        site.network.part(pbx, worker)
    try:
        await asyncio.sleep(site.chance.uniform(15, 20))
    finally:
        for pbx in pbxes:
            site.network.join(pbx, worker)
    return None


async def _pbx_cut(site: Site, number: int) -> float | None:
    """Calls go on without the rest of the world; its door finds nobody to ask."""
    await _off(site, site.pbxes[PBXES[number % len(PBXES)]].host, site.chance.uniform(3, 8))
    return None


async def _nats_restarted(site: Site, number: int) -> float | None:
    nats = site.chance.choice(site.nats)
    await asyncio.to_thread(nats.stop)
    await asyncio.to_thread(nats.start)
    return None


async def _nats_away(site: Site, number: int) -> float | None:
    for nats in site.nats:
        await asyncio.to_thread(nats.kill)
    await asyncio.sleep(AWAY_S)
    for nats in site.nats:
        nats.launch()
    for nats in site.nats:
        await asyncio.to_thread(nats.serves)
    return None


async def _nats_frozen(site: Site, number: int) -> float | None:
    nats = site.chance.choice(site.nats)
    nats.freeze()
    try:
        await asyncio.sleep(site.chance.uniform(5, 10))
    finally:
        nats.thaw()
    return None


async def _nats_cut(site: Site, number: int) -> float | None:
    await _off(site, site.chance.choice(site.nats).host, site.chance.uniform(5, 10))
    return None


async def _nats_leader_killed(site: Site, number: int) -> float | None:
    nats = await asyncio.to_thread(_leader, site)
    await asyncio.to_thread(nats.kill)
    await asyncio.sleep(10)
    await asyncio.to_thread(nats.start)
    return None


def _leader(site: Site) -> PrivateNats:
    """The server that leads the stream, by what it says itself."""
    for nats in site.nats:
        if nats.leads("EMOCX"):
            return nats
    return site.nats[0]


async def _database_restarted(site: Site, number: int) -> float | None:
    await asyncio.to_thread(site.database.stop)
    await asyncio.to_thread(site.database.start)
    return None


async def _database_away(site: Site, number: int) -> float | None:
    await asyncio.to_thread(site.database.kill)
    await asyncio.sleep(AWAY_S)
    await asyncio.to_thread(site.database.start)
    return None


async def _database_frozen(site: Site, number: int) -> float | None:
    site.database.freeze()
    try:
        await asyncio.sleep(site.chance.uniform(4, 8))
    finally:
        site.database.thaw()
    return None


async def _database_cut(site: Site, number: int) -> float | None:
    await _off(site, site.database.host, site.chance.uniform(4, 10))
    return None


async def _upgrade(site: Site, number: int) -> float | None:
    """One node after the other as the runbook says: what stands by first, then what acts."""
    acting = {term.holder for term in (await site.terms()).values()}
    order = [*site.of("worker"), *site.of("sender"), *site.of("web"), *site.of("door")]
    controllers = site.of("controller")
    order += sorted(controllers, key=lambda node: node.name in acting)
    for node in order:
        await node.process.stop()
        node.process.program = (sys.executable, "-m", "emocx_pbx.cli")
        await node.start()
        await site.whole()
    return None


_DEEDS: Final = (
    ("killed", "ends by SIGKILL, and is started again within 3 s", _killed),
    ("frozen", "stops for 6 to 12 s", _frozen),
    ("cut", "is off the net for 6 to 12 s", _cut),
    ("restarted", "is stopped in order and started", _restarted),
)
_ROLES: Final = (
    ("worker", "a worker's host"),
    ("sender", "a sender's host"),
    ("web", "a web node's host"),
    ("door", "a PBX's door"),
)

FAULTS: Final = (
    *(
        Fault(
            f"controller-{deed}", f"the controller that acts {what}", _of_controller(do), blinds=True,
            # Stopped in order it acts on until all is written.
            over_s=None if do is _restarted else OVER_S,
        )
        for deed, what, do in _DEEDS
    ),
    Fault(
        "controller-unlinked", "the controller that acts reaches all but its PBX until another acts",
        _controller_unlinked, blinds=True,
    ),
    Fault("standby-killed", "a controller that stands by ends by SIGKILL", _standby_killed),
    *(
        Fault(f"{role}-{deed}", f"{who} {what}", _of_web(do) if role == "web" else _of(role, do))
        for role, who in _ROLES
        for deed, what, do in _DEEDS
        if (role, deed) != ("door", "cut")  # its host is its PBX's
    ),
    Fault(
        "worker-unlinked", "no PBX reaches a worker, which reaches all else, for 15 to 20 s", _worker_unlinked
    ),
    Fault("pbx-cut", "a PBX's host is off the net for 3 to 8 s", _pbx_cut, blinds=True),
    Fault("nats-restarted", "a NATS server is stopped in order and started", _nats_restarted),
    Fault("nats-away", "all NATS servers end by SIGKILL, and are back after 30 s", _nats_away),
    Fault("nats-frozen", "a NATS server stops for 5 to 10 s", _nats_frozen),
    Fault("nats-cut", "a NATS server is off the net for 5 to 10 s", _nats_cut),
    Fault(
        "nats-leader-killed", "the stream's leader of three ends by SIGKILL, and is back after 10 s",
        _nats_leader_killed, servers=3,
    ),
    Fault("postgres-restarted", "PostgreSQL is stopped in order and started", _database_restarted),
    Fault("postgres-away", "PostgreSQL ends by SIGKILL, and is back after 30 s", _database_away),
    Fault("postgres-frozen", "PostgreSQL stops for 4 to 8 s", _database_frozen),
    Fault("postgres-cut", "PostgreSQL's host is off the net for 4 to 10 s", _database_cut),
    Fault("upgrade", "every node is replaced, one at a time", _upgrade),
)  # fmt: skip
NAMES: Final = tuple(fault.name for fault in FAULTS)
SHORT: Final = ("controller-cut", "worker-killed", "sender-killed", "nats-restarted")


def chosen(names: Iterable[str], servers: int) -> tuple[Fault, ...]:
    """Faults by name, in the order of FAULTS; none named: all that so many NATS servers allow.

    Raises:
        SettingsError: there is no such fault, or it needs more servers.
    """
    wanted = set(names)
    if unknown := sorted(wanted - set(NAMES)):
        raise SettingsError(f"no fault is called {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found = tuple(fault for fault in FAULTS if fault.name in wanted or not wanted)
    if wanted and (more := [fault.name for fault in found if fault.servers > servers]):
        raise SettingsError(f"{', '.join(more)} needs --nats-servers 3")
    return tuple(fault for fault in found if fault.servers <= servers)
