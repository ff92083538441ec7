"""The demo of a cluster: a call on each of two PBXes, with the acting controller killed in the middle.

Both are graded all the same, once, by the other one.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from emocx_pbx.demo import story
from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find, free_port
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.program import Program
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import POLICY, Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers

SITES: Final = ("berlin", "vienna")
EVENTS: Final = ("query.routed", "call.started", "call.reading", "call.graded", "call.ended")
QUERY: Final = "I have been charged twice, nobody answers my emails, and I am sick of it. Sort this out now!"
#: Deadlines: for both calls to be heard, for the other controller to act, and for both grades.
_READING_S, _OVER_S, _DELIVERY_S = 60.0, 30.0, 60.0


@dataclass(frozen=True, slots=True)
class Around:
    """What is there throughout, while controllers come and go."""

    crm: Receiver
    pbxes: dict[str, PrivateAsterisk]
    north: ServiceProcess
    south: ServiceProcess


async def run_cluster_demo(quiet: bool = False) -> dict[str, Any]:
    """Run it, and say on standard output what happens.

    Args:
        quiet: print nothing, only return.

    Returns:
        `away_s`: until the other controller acted; `calls`: of each its id, pbx, types of its events in
        order, and grade.

    Raises:
        SettingsError: Asterisk, sipp, nats-server or PostgreSQL are not installed.
        PeerUnavailable: something did not come up, or a call's last event did not arrive.
    """
    say: story.Say = (lambda line: None) if quiet else (lambda line: print(line, flush=True))
    installation = find(cache_directory(os.environ))
    if shutil.which("sipp") is None:
        raise SettingsError("sipp is not installed: run scripts/install-asterisk.sh (make setup)")
    call = recordings.load(None)
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="emocx-cluster-")))
        customer = recordings.write_mulaw(folder / "customer.ul", call.customer)
        agent = recordings.write_mulaw(folder / "agent.ul", call.agent)
        database, nats = stack.enter_context(PrivatePostgres()), stack.enter_context(PrivateNats())
        crm = await stack.enter_async_context(Receiver(on_event=_teller(say)))
        pbxes = {}
        for site in SITES:
            pbxes[site] = await stack.enter_async_context(PrivateAsterisk(installation))
            await stack.enter_async_context(SippAgents(pbxes[site].agent_port, agent))
        east = _settings(folder / "east.toml", nats.url, "analysis.base_port", free_port())
        await stack.enter_async_context(Program(["worker"], east, folder / "east.log"))
        controllers = {
            node: ServiceProcess(
                folder / node,
                pbxes[SITES[0]],
                [Hook(crm.url, crm.secret, EVENTS)],
                {
                    "store": {"url": database.url()},
                    "cluster": {"nats": nats.url, "node": node},
                    "analysis": {"workers": 0, "spare_worker": False},
                },
                pbxes=pbxes,
            )
            for node in ("north", "south")
        }
        for controller in controllers.values():
            stack.push_async_callback(controller.stop)
        await controllers["north"].start()
        await controllers["south"].start(standby=True)
        for site, pbx in pbxes.items():
            port = free_port()
            config = _settings(folder / f"{site}.toml", nats.url, "agi.port", port)
            door = Program(["door"], config, folder / f"{site}.log")
            await (await stack.enter_async_context(door)).listens(port)
            await pbx.cli(f"dialplan set global EMOCX_AGI 127.0.0.1:{port}")
        say("Two PBXes (berlin, vienna), each with a door; controllers north (acts) and south (stands by);")
        say("worker east; records in PostgreSQL, messages over NATS.")
        around = Around(crm, pbxes, controllers["north"], controllers["south"])
        return await _two_calls(around, customer, len(call.customer) / recordings.RATE, say)


def _settings(path: Path, nats: str, name: str, value: int) -> Path:
    """The file of a worker or a door: where NATS is, and a port of its own."""
    path.write_text(
        f"{name} = {value}\ncluster.node = {json.dumps(path.stem)}\ncluster.nats = {json.dumps(nats)}\n"
        f"routing.policy = {json.dumps(str(POLICY))}\n"
    )
    return path


async def _two_calls(around: Around, recording: Path, length_s: float, say: story.Say) -> dict[str, Any]:
    """A customer at each PBX; north dies once both are heard."""
    say(f"A customer writes at each: {QUERY}")
    crm = around.crm
    async with AsyncExitStack() as stack:
        callers = [
            await stack.enter_async_context(
                SippCustomers(
                    pbx.sip_port, recording, [CallPlan("route", query=QUERY, customer=site)], hold_s=length_s
                )
            )
            for site, pbx in around.pbxes.items()
        ]
        await _until(crm, "call.reading", _READING_S)
        say("")
        say("north is killed: controller, pages, sender, all at once.")
        await around.north.kill()
        killed = time.monotonic()
        await around.south.ready(_OVER_S)
        away_s = time.monotonic() - killed
        say(f"south acts, after {away_s:.1f} s; it has taken both calls over.")
        say("")
        for caller in callers:
            await caller.wait(length_s + 60)
    await _until(crm, "call.ended", _DELIVERY_S)
    return {"away_s": round(away_s, 1), "calls": [_reported(crm, site) for site in SITES]}


async def _until(crm: Receiver, kind: str, within_s: float) -> None:
    def all_of_them() -> bool:
        return {event.data["pbx"] for event in crm.events if event.type == kind} == set(SITES)

    try:
        await crm.wait(all_of_them, within_s)
    except TimeoutError:
        raise PeerUnavailable(f"no {kind} of both calls within {within_s:.0f} s") from None


def _reported(crm: Receiver, site: str) -> dict[str, Any]:
    """The events of a site's call that the CRM received, each once, in order; without readings."""
    unique = {e.id: e for e in crm.events if e.data["pbx"] == site and e.type != "call.reading"}
    events = sorted(unique.values(), key=lambda event: int(event.data["sequence"]))
    graded = [e.data["grade"] for e in events if e.type == "call.graded"]
    return {
        "call_id": next(e.call_id for e in events if e.type == "call.ended"),
        "pbx": site,
        "events": [e.type for e in events],
        "grade": graded[0]["letter"] if graded else None,
    }


def _teller(say: story.Say) -> Any:
    """Prints each event once, with its PBX."""
    seen: set[str] = set()

    def on_event(event: Received) -> None:
        if event.id in seen:
            return
        seen.add(event.id)
        for line in story.lines(event.type, event.data):
            say(f"[{event.data['pbx']}] {line}")

    return on_event
