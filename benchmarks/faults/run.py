"""One run: a private Asterisk, a steady load, fault after fault, and everything that was seen of it."""

from __future__ import annotations

import asyncio
import json
import math
import os
import random
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.faults import processes
from benchmarks.faults.disk import SmallDisk
from benchmarks.faults.faults import Fault
from benchmarks.faults.history import History, Measures, Observed, Usage, Window
from benchmarks.faults.load import Load
from benchmarks.faults.plan import Strike, plan
from benchmarks.faults.proxy import Proxy
from benchmarks.faults.telephones import Telephones
from benchmarks.faults.truth import Truth
from benchmarks.faults.world import World
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess

#: Light on the machine: what is tried here is not recognition.
LIGHT: Final = {"speech_model": "mlp", "transcriber": "off"}
#: Under load before the first fault: caches are filled, about as many calls come as go.
WARM_S: Final = 45.0
#: Channels may take this long to go after the last call's end, the sender to send what it still has.
QUIET_S: Final = 5.0
#: More agents than callers at a time, so that waiting is not what is measured.
SPARE_AGENTS: Final = 1.4
POLL_S: Final = 0.25

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Options:
    """What a run does."""

    faults: Sequence[Fault]
    times: int = 2
    rate: float = 0.6
    """Calls a second."""
    shortest_s: float = 12.0
    longest_s: float = 60.0
    duration_s: float = 1200.0
    """Of the load; longer when the faults need it."""
    warm_s: float = WARM_S
    settle_s: float = 60.0
    """How long after the last call's end everything must have been told."""
    seed: int = 1


async def run(options: Options, keep: Path | None = None, say: Say = lambda line: None) -> History:
    """Call, break, mend, and answer what happened.

    Args:
        options: what to do.
        keep: folder for the service's log, the database and Asterisk's log; None: they are thrown away.
        say: told a line at every step.

    Raises:
        EmocxError: Asterisk, a telephone or the service can't be started.
    """
    chance = random.Random(options.seed)
    strikes = plan(options.faults, options.times, options.duration_s, chance)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emocx-faults-")))
        heard: list[tuple[float, Received]] = []
        folder = keep or folder
        folder.mkdir(parents=True, exist_ok=True)
        world = await _build(stack, folder, options, chance, heard)
        watching = asyncio.create_task(world.truth.run(), name="truth")
        stack.callback(watching.cancel)
        await world.truth.connected()
        return await _observe(world, strikes, options, heard, say)


async def _build(
    stack: AsyncExitStack,
    folder: Path,
    options: Options,
    chance: random.Random,
    heard: list[tuple[float, Received]],
) -> World:
    speech = recordings.load()
    agents_recording = recordings.write_mulaw(folder / "agent.ul", speech.agent)
    callers = options.rate * (options.shortest_s + options.longest_s) / 2
    pbx = PrivateAsterisk(find(cache_directory(os.environ)), agents=max(4, math.ceil(SPARE_AGENTS * callers)))
    await stack.enter_async_context(pbx)
    recordings.write_mulaw(pbx.sounds / "speech.ulaw", speech.customer)
    proxy = await stack.enter_async_context(Proxy(pbx.ami_port))
    receiver = Receiver(on_event=lambda received: heard.append((time.time(), received)))
    await stack.enter_async_context(receiver)
    disk = None
    database = folder / "data" / "emocx.db"
    if any(fault.needs_disk for fault in options.faults):
        disk = stack.enter_context(SmallDisk(database.parent))
    database.parent.mkdir(exist_ok=True)
    settings: dict[str, dict[str, Any]] = {
        "asterisk": {"port": proxy.port},
        "analysis": LIGHT,
        "store": {"path": str(database)},
    }
    service = ServiceProcess(folder / "service", pbx, [Hook(receiver.url, receiver.secret)], settings)
    # A restarted Asterisk reads the dialplan's globals from its files.
    pbx.write_config(agi=f"127.0.0.1:{service.agi_port}")
    truth = Truth(pbx.ami_port, pbx.secret)
    telephones = Telephones(pbx.agent_port, agents_recording)
    await stack.enter_async_context(telephones)
    world = World(pbx, telephones, proxy, receiver, service, database, disk, truth, chance)
    await stack.enter_async_context(service)
    return world


async def _observe(
    world: World, strikes: Sequence[Strike], options: Options, heard: list[tuple[float, Received]], say: Say
) -> History:
    idle = await _usage(world)
    load = Load(world.truth, options.rate, options.shortest_s, options.longest_s, world.chance)
    calling = asyncio.create_task(load.run(), name="load")
    try:
        await asyncio.sleep(options.warm_s)
        warm, late = await _usage(world), None
        windows = []
        for strike in strikes:
            if not strike.fault.controller_lives and late is None:
                late = await _usage(world)
            await asyncio.sleep(strike.pause_s)
            windows.append(await _strike(world, strike, say))
        if late is None:
            await asyncio.sleep(QUIET_S)
            late = await _usage(world)
        load.stop()
        say("no new calls")
        await calling
    finally:
        calling.cancel()
    await _settled(world, heard, options.settle_s)
    await asyncio.sleep(QUIET_S)
    left = await _channels(world)
    end = await _usage(world)
    processes_left = [
        f"process {pid}" for group in world.groups if group != world.service.pid
        for pid in processes.of_group(group)
    ]  # fmt: skip
    await world.service.stop()
    if world.disk is not None:
        # It goes with its disk.
        shutil.copy(world.database, world.service.directory)
    return History(
        callers=world.truth.callers.all,
        deliveries=tuple(observed(at, received) for at, received in heard),
        waiting=tuple(waiting(world.database)),
        windows=tuple(windows),
        channels_left=tuple(left),
        processes_left=tuple(processes_left),
        measures=Measures(idle, warm, late, end),
        problems=tuple(world.truth.problems),
        stalls=tuple(load.stalls),
    )


async def _strike(world: World, strike: Strike, say: Say) -> Window:
    name, began, problem = strike.fault.name, time.time(), ""
    say(f"{name} ({strike.number + 1}), {len(world.truth.callers.going_on)} calls")
    await strike.fault.strike(world, strike.number)
    ended = time.time()
    try:
        _ = world.service.pid
    except PeerUnavailable as error:
        problem = f"{name}: {error}"
        await world.service.start()
    return Window(name, began, ended, strike.fault.blinds, problem=problem)


async def _usage(world: World) -> Usage:
    return await asyncio.to_thread(processes.usage, world.service.pid)


async def _settled(world: World, heard: Sequence[tuple[float, Received]], within_s: float) -> None:
    """Until every caller's end was told, or the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    missing = {caller.call_id for caller in world.truth.callers.all if caller.joined is not None}
    while loop.time() < until:
        missing -= {r.call_id for _, r in heard if r.type == "call.ended" and 200 <= r.status < 300}
        if not missing:
            return
        await asyncio.sleep(POLL_S)


async def _channels(world: World) -> list[str]:
    """Names of the channels in Asterisk."""
    lines = (await world.pbx.cli("core show channels concise")).splitlines()
    return [line.split("!", 1)[0] for line in lines if "!" in line]


def observed(at: float, received: Received) -> Observed:
    data = received.data
    return Observed(
        at,
        received.id,
        received.type,
        received.call_id,
        int(data.get("sequence") or 0),
        received.body,
        data.get("agent"),
        data.get("status"),
        accepted=200 <= received.status < 300,
        signed=received.signature_valid,
    )


def waiting(database: Path) -> list[Observed]:
    """Events in the outbox that no receiver took yet (or never will)."""
    query = (
        "SELECT e.event_id, e.type, e.call_id, e.sequence, e.at, e.body FROM delivery d"
        " JOIN event e USING (event_id) WHERE d.state <> 'delivered'"
    )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        rows = connection.execute(query).fetchall()
    found = []
    for event_id, kind, call_id, sequence, at, body in rows:
        data = json.loads(body)["data"]
        found.append(
            Observed(
                at, event_id, kind, call_id, sequence, body.encode(), data.get("agent"), data.get("status")
            )
        )
    return found
