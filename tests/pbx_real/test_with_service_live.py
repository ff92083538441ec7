"""A real call as the live feed shows it, from the query to its grade."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.service import ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippCustomers

Seen = tuple[str, dict[str, Any]]


async def read_until(response: aiohttp.ClientResponse, enough: Callable[[Seen], bool]) -> list[Seen]:
    """Events as they come, until one is enough."""
    seen: list[Seen] = []
    async with asyncio.timeout(60):
        while not seen or not enough(seen[-1]):
            raw = (await response.content.readuntil(b"\n\n")).decode().strip()
            if raw.startswith("id: "):
                lines = dict(line.split(": ", 1) for line in raw.split("\n"))
                seen.append((lines["event"], json.loads(lines["data"])))
    return seen


async def test_a_call_is_seen_live(
    pbx: PrivateAsterisk, probe: AmiProbe, service: ServiceProcess, ul: dict[str, Path]
) -> None:
    plan = CallPlan("route", QUERIES[0], customer="c-live", number="+491177")
    async with aiohttp.ClientSession() as session, session.get(f"{service.url}/api/v1/live/events") as events:
        async with SippCustomers(pbx.sip_port, ul["customer"], [plan], hold_s=12) as customers:
            seen = await read_until(events, lambda e: e[0] == "graded" and e[1]["grade"]["segment"] == 0)
            await customers.wait(40)
        async with session.get(f"{service.url}/api/v1/live") as response:
            snapshot = await response.json()
    assert seen[0][0] == "snapshot"
    mine = [(kind, data) for kind, data in seen[1:] if data["call_id"] == seen[-1][1]["call_id"]]
    known: dict[str, Any] = {}
    observed = []
    for kind, data in mine:
        if kind in {"call", "changed"}:
            known = known | data.get("fields", data)
            observed.append(known)
    states = [call["state"] for call in observed]
    assert list(dict.fromkeys(states)) == ["routing", "waiting", "talking", "between"]
    waiting = next(call for call in observed if call["state"] == "waiting")
    assert (waiting["queue"], waiting["arrived_as"], waiting["customer"]) == ("care", "angry", "c-live")
    readings = [data for kind, data in mine if kind == "reading"]
    assert readings and all(len(reading["point"]) == 5 for reading in readings)
    assert [kind for kind, _ in mine][-2:] == ["ended", "graded"]
    assert snapshot["recent"][0]["grades"][0]["agent"].startswith("Care agent")
