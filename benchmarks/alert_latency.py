"""From the end of the speech that triggers an alert to the UserEvent and the webhook, on real calls.

    python -m benchmarks.alert_latency [--calls 20] [--json]

Real SIP calls on a private Asterisk play human speech. In the rules every reading counts, so an alert is due
once the customer has spoken for as long as its rule says, by the call's utterances, whatever the model
answers. What a figure is made of:

    carried     from the telephone through Asterisk and the tap to the worker (and sipp's own start)
    awaited     from that moment until the reading that tells so is complete
    read        voice activity, features, model, and the way to the controller
    user event  from the controller to a client at Asterisk's manager interface
    webhook     from the controller through the database to the receiver
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import numpy as np

from emocx_pbx.analysis.windows import CallSegmenter
from emocx_pbx.domain import Span
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk, cache_directory, find
from emocx_pbx.lab.receiver import Received, Receiver
from emocx_pbx.lab.service import POLICY, Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers
from emocx_pbx.observe.logs import configure
from emocx_pbx.pbx.ami.gateway import AmiGateway
from emocx_pbx.settings.settings import AnalysisSettings, AsteriskSettings, LogSettings
from emocx_pbx.store.database import Store

#: Before the speech, so that the tap is there when it begins.
LEAD_S: Final = 2.0
#: Seconds of speech after which the rules fire.
THRESHOLDS_S: Final = tuple(3 + 0.5 * n for n in range(16))
RULE: Final = '[[alerts]]\nname = "{0:g}"\nwhen = "upset"\nat_least = 1e-9\nfor_s = {0:g}\nwithin_s = 60\n'
PARTS: Final = ("carried", "awaited", "read", "user event", "webhook")


class Ears:
    """When a client at the manager interface, and the receiver, heard of what."""

    def __init__(self) -> None:
        self.answered: dict[str, float] = {}
        self.observed: dict[tuple[str, str], tuple[float, float]] = {}
        """Call time of the crossing and time of arrival, by call and rule."""
        self.hooked: dict[tuple[str, str], tuple[float, float]] = {}
        """When it was decided and when it arrived."""

    def on_event(self, event: Mapping[str, str]) -> None:
        """Take an AMI event."""
        if event.get("Event") == "Newstate" and event.get("ChannelStateDesc") == "Up":
            self.answered.setdefault(event["Uniqueid"], time.time())
        if event.get("UserEvent") == "EmocxAlert" and event["State"] == "raised":
            self.observed[event["CallId"], event["Rule"]] = (float(event["To"]), time.time())

    def on_hook(self, received: Received) -> None:
        """Take a webhook."""
        if received.type == "call.alert" and received.data["state"] == "raised":
            at = datetime.fromisoformat(received.timestamp).timestamp()
            self.hooked[str(received.call_id), received.data["rule"]] = (at, time.time())


def first_speech_s(side: recordings.Samples) -> float:
    """When a recording's first utterance begins, as the pipeline's voice activity finds it."""
    segmenter = CallSegmenter(AnalysisSettings())
    found = [*segmenter.feed(side, np.zeros_like(side)), *segmenter.finish()]
    return next(item.t0 for item in found if isinstance(item, Span))


def due_at(utterances: Sequence[Span], speech_s: float) -> float:
    """Call time at which a side has spoken for so many seconds; if it never has, its last utterance's end."""
    left_s = speech_s
    for span in utterances:
        if span.t1 - span.t0 >= left_s:
            return span.t0 + left_s
        left_s -= span.t1 - span.t0
    return utterances[-1].t1


async def parts_of(store: Store, ears: Ears, begin_s: float) -> list[dict[str, float]]:
    """What each alert's latency is made of, in seconds."""
    found = []
    for (call_id, rule), (crossed, told_at) in ears.observed.items():
        call = await store.call(call_id)
        if call is None or call.call.tapped_at is None or (call_id, rule) not in ears.hooked:
            continue
        decided_at, hooked_at = ears.hooked[call_id, rule]
        zero_at = call.call.tapped_at
        utterances = sorted((s for s in call.spans if s.side == "customer"), key=lambda s: s.t0)
        complete = min(r.t1 for r in call.readings if r.t1 >= crossed - 1e-3)
        found.append(
            {
                "carried": zero_at + utterances[0].t0 - (ears.answered[call_id] + begin_s),
                "awaited": complete - due_at(utterances, float(rule)),
                "read": decided_at - (zero_at + complete),
                "user event": told_at - decided_at,
                "webhook": hooked_at - decided_at,
            }
        )
    return found


def figures(values: Sequence[float]) -> dict[str, float]:
    """Median and 95th percentile."""
    ordered = sorted(values)
    return {
        "median_s": round(statistics.median(ordered), 3),
        "p95_s": round(ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))], 3),
    }


async def measure(calls: int) -> dict[str, Any]:
    """Run the calls."""
    side = recordings.load().customer
    speech = np.concatenate([np.zeros(int(LEAD_S * recordings.RATE), np.int16), side])  # (n,)
    seconds = len(speech) / recordings.RATE
    ears = Ears()
    with tempfile.TemporaryDirectory() as folder:
        customer = recordings.write_mulaw(Path(folder) / "customer.ul", speech)
        silent = recordings.write_mulaw(Path(folder) / "agent.ul", np.zeros_like(speech))
        policy = Path(folder) / "policy.toml"
        policy.write_text(POLICY.read_text() + "".join(RULE.format(s) for s in THRESHOLDS_S))
        async with (
            PrivateAsterisk(find(cache_directory(os.environ)), agents=calls) as pbx,
            SippAgents(pbx.agent_port, silent, answer_s=0.1),
            Receiver(on_event=ears.on_hook) as receiver,
        ):
            hook = Hook(receiver.url, receiver.secret, ["call.alert", "call.ended"])
            light = {"analysis": {"transcriber": "off"}}
            manager = AsteriskSettings(port=pbx.ami_port, username="demo", secret=pbx.secret)
            ami = AmiGateway(manager, ears.on_event, lambda state: None)
            listening = asyncio.create_task(ami.run())
            async with ServiceProcess(Path(folder) / "service", pbx, [hook], light, policy):
                plans = [CallPlan("queue-care", number=f"+49300{n:03}") for n in range(calls)]
                async with SippCustomers(
                    pbx.sip_port, customer, plans, hold_s=seconds, rate=0.7
                ) as customers:
                    await customers.wait(seconds + calls / 0.7 + 60)
                await receiver.wait(lambda: len(receiver.of("call.ended")) >= calls, 30)
            listening.cancel()
        store = await Store.open(Path(folder) / "service" / "emocx.db")
        try:
            parts = await parts_of(store, ears, first_speech_s(speech))
        finally:
            await store.close()
    before = ("carried", "awaited", "read")
    return {
        "calls": calls,
        "alerts": len(parts),
        "to_user_event": figures([sum(p[k] for k in (*before, "user event")) for p in parts]),
        "to_webhook": figures([sum(p[k] for k in (*before, "webhook")) for p in parts]),
        "made_of": {name: figures([p[name] for p in parts]) for name in PARTS},
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description="From the speech that triggers an alert to its listeners.")
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    configure(LogSettings(level="error"))
    result = asyncio.run(measure(args.calls))
    if args.json:
        print(json.dumps(result))
        return 0
    print(f"{result['alerts']} alerts on {result['calls']} calls; seconds, median and 95th percentile")
    rows = {"to the UserEvent": result["to_user_event"], "to the webhook": result["to_webhook"]}
    rows |= {f"  {name}": row for name, row in result["made_of"].items()}
    for name, row in rows.items():
        print(f"{name:20} {row['median_s']:7.3f} {row['p95_s']:7.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
