"""One run: a cluster on hosts of its own, a steady load, fault after fault, and everything seen of it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import asyncpg

from benchmarks.cluster_faults.faults import Fault
from benchmarks.cluster_faults.network import Network
from benchmarks.cluster_faults.site import PBXES, Builder, Node, Site
from benchmarks.faults.history import Caller, History, Observed, Window
from benchmarks.faults.load import Load
from benchmarks.faults.run import observed
from benchmarks.faults.truth import Truth
from emocx_pbx.errors import EmocxError
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import cache_directory, find
from emocx_pbx.lab.receiver import Received

#: More agents than callers at a time, so that waiting is not what is measured.
SPARE_AGENTS: Final = 1.4
QUIET_S: Final = 5.0
POLL_S: Final = 0.25
DATABASE_S: Final = 10.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does."""

    faults: Sequence[Fault]
    times: int = 1
    rate: float = 0.4
    """Calls a second, of all PBXes together."""
    shortest_s: float = 12.0
    longest_s: float = 45.0
    pause_s: float = 12.0
    """Between faults, on average."""
    warm_s: float = 30.0
    settle_s: float = 90.0
    """How long after the last call's end everything must have been told."""
    seed: int = 1
    servers: int = 1
    """Of NATS: 1 or 3."""
    nats_server: str = ""
    """Another program than the one installed."""
    earlier: Sequence[str] | None = None
    """Program of the version that an upgrade begins with; None: this one."""


async def run(options: Options, keep: Path | None = None, say: Say = lambda line: None) -> History:
    """Call, break, mend, and answer what happened.

    Args:
        options: what to do.
        keep: folder for all logs; None: they are thrown away.
        say: told a line at every step.

    Raises:
        EmocxError: namespaces are not allowed, or something can't be started.
    """
    chance = random.Random(options.seed)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emocx-cluster-")))
        folder = keep or folder
        folder.mkdir(parents=True, exist_ok=True)
        heard: list[tuple[float, Received]] = []
        site = await _build(stack, folder, options, chance, heard, say)
        for name, truth in site.truths.items():
            watching = asyncio.create_task(truth.run(), name=f"truth of {name}")
            stack.callback(watching.cancel)
            await truth.connected()
        return await _observe(site, options, heard, say)


async def _build(
    stack: AsyncExitStack,
    folder: Path,
    options: Options,
    chance: random.Random,
    heard: list[tuple[float, Received]],
    say: Say,
) -> Site:
    speech = recordings.load()
    agent = recordings.write_mulaw(folder / "agent.ul", speech.agent)
    network = stack.enter_context(Network())
    builder = Builder(stack, folder, network, options.earlier)
    database = await asyncio.to_thread(builder.engines, options.servers, options.nats_server)
    callers = options.rate / len(PBXES) * (options.shortest_s + options.longest_s) / 2
    agents = max(4, math.ceil(SPARE_AGENTS * callers))
    installation = find(cache_directory(os.environ))
    pbxes = {}
    for name in PBXES:
        pbxes[name] = pbx = await builder.pbx(installation, name, agents)
        recordings.write_mulaw(pbx.sounds / "speech.ulaw", speech.customer)
        await builder.telephones(pbx, agent)
    receiver = await builder.receiver(heard)
    nodes = builder.nodes(database, pbxes, receiver)
    truths = {name: Truth(pbx.ami_port, pbx.secret, pbx.host.managed) for name, pbx in pbxes.items()}
    site = Site(network, pbxes, truths, nodes, builder.nats, database, receiver, chance)
    say("engines and PBXes run")
    # One makes the database's tables before others look for them.
    first, *others = site.of("controller")
    await first.start()
    await asyncio.gather(*(node.start() for node in site.of("worker")))
    await site.led()
    await asyncio.gather(*(node.start() for node in (*others, *_rest(site))))
    await site.whole()
    say("the cluster is whole")
    return site


def _rest(site: Site) -> list[Node]:
    return [node for node in site.nodes.values() if node.role not in {"controller", "worker"}]


async def _observe(site: Site, options: Options, heard: list[tuple[float, Received]], say: Say) -> History:
    loads = {
        name: Load(
            truth, options.rate / len(PBXES), options.shortest_s, options.longest_s,
            random.Random(site.chance.random()),
        )
        for name, truth in site.truths.items()
    }  # fmt: skip
    calling = [asyncio.create_task(load.run(), name=f"load of {name}") for name, load in loads.items()]
    windows = []
    try:
        await asyncio.sleep(options.warm_s)
        for fault, number in _planned(options, site.chance):
            windows.append(await _strike(site, fault, number, say))
            await asyncio.sleep(options.pause_s * site.chance.uniform(0.5, 1.5))
        for load in loads.values():
            load.stop()
        say("no new calls")
        await asyncio.gather(*calling)
    finally:
        for task in calling:
            task.cancel()
    callers = [
        replace_id(caller, name) for name, truth in site.truths.items() for caller in truth.callers.all
    ]
    await _settled(callers, heard, options.settle_s)
    await asyncio.sleep(QUIET_S)
    left = [f"{name}: {channel}" for name in PBXES for channel in await _channels(site, name)]
    waiting = await outbox(site.database.url())
    for node in site.nodes.values():
        await node.process.stop()
    running = [
        f"process {pid} of {node.name}"
        for node in site.nodes.values()
        if node.role != "door"
        for pid in site.network.processes(node.host)
    ]
    problems = [problem for truth in site.truths.values() for problem in truth.problems]
    return History(
        callers=tuple(callers),
        deliveries=tuple(observed(at, received) for at, received in heard),
        waiting=tuple(waiting),
        windows=tuple(windows),
        channels_left=tuple(left),
        processes_left=tuple(running),
        problems=tuple(problems),
        stalls=tuple(stall for load in loads.values() for stall in load.stalls),
    )


def _planned(options: Options, chance: random.Random) -> list[tuple[Fault, int]]:
    """Every fault as often as asked, in random order."""
    order = [fault for fault in options.faults for _ in range(options.times)]
    chance.shuffle(order)
    return [(fault, order[:place].count(fault)) for place, fault in enumerate(order)]


async def _strike(site: Site, fault: Fault, number: int, say: Say) -> Window:
    going_on = sum(len(truth.callers.going_on) for truth in site.truths.values())
    say(f"{fault.name} ({number + 1}), {going_on} calls")
    began, until, problem = time.time(), None, ""
    try:
        until = await fault.strike(site, number)
        await site.whole()
    except EmocxError as error:
        problem = str(error)
        say(f"{fault.name}: {problem}")
        for node in site.nodes.values():
            if not node.process.running:
                await node.start()
    if until is not None:
        over = f"another acts after {until - began:.1f} s"
        say(f"{fault.name}: {over}")
        if fault.over_s is not None and until - began > fault.over_s:
            problem = over
    return Window(fault.name, began, time.time(), fault.blinds, until, problem)


def replace_id(caller: Caller, pbx: str) -> Caller:
    """A caller by the id that the call has in the cluster."""
    return replace(caller, call_id=f"{pbx}/{caller.call_id}")


async def _settled(
    callers: Sequence[Caller], heard: Sequence[tuple[float, Received]], within_s: float
) -> None:
    """Until every caller's end was told, or the time is over."""
    until = time.monotonic() + within_s
    missing = {caller.call_id for caller in callers if caller.joined is not None}
    while missing and time.monotonic() < until:
        missing -= {r.call_id for _, r in heard if r.type == "call.ended" and 200 <= r.status < 300}
        await asyncio.sleep(POLL_S)


async def _channels(site: Site, name: str) -> list[str]:
    lines = (await site.pbxes[name].cli("core show channels concise")).splitlines()
    return [line.split("!", 1)[0] for line in lines if "!" in line]


async def outbox(url: str) -> list[Observed]:
    """Events in the outbox that no receiver took yet (or never will)."""
    connection = await asyncpg.connect(url, timeout=DATABASE_S)
    try:
        rows = await connection.fetch(
            "SELECT e.event_id, e.type, e.call_id, e.sequence, e.at, e.body FROM delivery d"
            " JOIN event e USING (event_id) WHERE d.state <> 'delivered'",
            timeout=DATABASE_S,
        )
    finally:
        await connection.close()
    found = []
    for row in rows:
        data = json.loads(row["body"])["data"]
        found.append(
            Observed(
                row["at"], row["event_id"], row["type"], row["call_id"], row["sequence"],
                row["body"].encode(), data.get("agent"), data.get("status"),
            )
        )  # fmt: skip
    return found
