"""The demo: one real call on a private Asterisk, shown as it happens, from the query to the webhook."""

from __future__ import annotations

import asyncio
import itertools
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

from emocx_pbx.demo import story
from emocx_pbx.demo.recorded import tell_recorded
from emocx_pbx.demo.summary import summary
from emocx_pbx.errors import PeerUnavailable, SettingsError
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers

#: What customers write before they call; the first is the demo with --once.
QUERIES: Final = (
    "I have been charged twice, nobody answers my emails, and I am sick of it. Sort this out now!",
    "What are your opening hours on Saturday?",
    "I expected better from you. The repair did not last a week and I feel let down.",
    "Thank you so much for the quick help last time, I would love to book the big service!",
)

EVENTS: Final = ("query.routed", "call.started", "call.reading", "call.graded", "call.ended")

#: Seconds after the customer hung up: for the last readings, the grade and its delivery.
_DELIVERY_S = 30.0


async def run_demo(recording: Path | None = None, once: bool = True, quiet: bool = False) -> dict[str, Any]:
    """Run a call, and say on standard output what happens; without `once`, run further calls until Ctrl-C.

    Args:
        recording: what the customer says (left) and the agent (right); None: the shipped recording.
        once: return after the first call.
        quiet: print nothing, only return.

    Returns:
        The first call: call_id, status, queue, decision, readings, grade, webhooks.

    Raises:
        InputError: the recording can't be read.
        PeerUnavailable: Asterisk, the service or the call did not come up.
    """
    say: story.Say = (lambda line: None) if quiet else (lambda line: print(line, flush=True))
    call = recordings.load(recording)
    try:
        installation = find(cache_directory(os.environ))
        if shutil.which("sipp") is None:
            raise SettingsError("sipp is not installed: run scripts/install-asterisk.sh (make setup)")
    except SettingsError as error:
        say(f"No real call here ({error}); the same journey on the recorded call instead.")
        return await asyncio.to_thread(tell_recorded, recording, QUERIES[0], say)

    teller = story.Teller(say)
    with tempfile.TemporaryDirectory(prefix="emocx-demo-") as folder:
        directory = Path(folder)
        customer = recordings.write_mulaw(directory / "customer.ul", call.customer)
        agent = recordings.write_mulaw(directory / "agent.ul", call.agent)
        async with (
            Receiver(on_event=teller.on_event) as crm,
            PrivateAsterisk(installation) as pbx,
            SippAgents(pbx.agent_port, agent),
            ServiceProcess(directory / "service", pbx, [Hook(crm.url, crm.secret, EVENTS)]) as service,
        ):
            version = (await pbx.cli("core show version")).split(" built ")[0]
            say(f"{version}, four queues with two agents each, EmoCX PBX at {service.url}")
            first: dict[str, Any] | None = None
            for query in itertools.cycle(QUERIES):
                length_s = len(call.customer) / recordings.RATE
                result = await _one_call(query, pbx, customer, length_s, crm, say)
                first = first or result
                if once:
                    return first
    raise AssertionError("itertools.cycle never ends")


async def _one_call(
    query: str,
    pbx: PrivateAsterisk,
    recording: Path,
    length_s: float,
    crm: Receiver,
    say: story.Say,
) -> dict[str, Any]:
    before = len(crm.events)
    say("")
    say(f"Customer writes: {query}")
    plan = CallPlan("route", query=query, customer="demo-customer")
    async with SippCustomers(pbx.sip_port, recording, [plan], hold_s=length_s) as caller:
        await caller.wait(length_s + 60)
    try:
        await crm.wait(lambda: any(e.type == "call.ended" for e in crm.events[before:]), _DELIVERY_S)
    except TimeoutError:
        raise PeerUnavailable(f"no call.ended within {_DELIVERY_S:.0f} s after the call") from None
    events = crm.events[before:]
    call_id = next(e.call_id for e in events if e.type == "call.ended")
    mine = sorted((e for e in events if e.call_id in (None, call_id)), key=lambda e: int(e.data["sequence"]))
    queue = next(e.data["queue"] for e in mine if e.type == "call.ended")
    webhooks = [{"type": e.type, "delivered": True, "signature_valid": e.signature_valid} for e in mine]
    return summary(call_id, queue, [(e.type, e.data) for e in mine], webhooks)
