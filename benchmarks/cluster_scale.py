"""How much a cluster carries by its number of nodes: messages, writes, and deliveries per second.

    python -m benchmarks.cluster_scale [--nodes 1 2 4] [--seconds 5] [--only messages,writes,deliveries]

A private nats-server and PostgreSQL (with fsync), and nodes in processes of their own on this machine:

* messages: workers that put batches into the stream as `emocx-pbx worker` does, one after another, each
  acknowledged; one controller takes them out and acknowledges them;
* writes: controllers that write readings, a hundred in a transaction, each for calls of its own;
* deliveries: senders that share the receivers' deliveries; every receiver answers after 20 ms.

All nodes share the cores of this machine with the engines, so a rate tells how well nodes go together, not
what more hosts would bring: beside it stands the CPU that one thing costs a node and the engine, from which
`python -m benchmarks.plan` computes what a site needs. Prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.messages import TapBatch
from emocx_pbx.analysis.messages import ReadingMade, UtteranceEnded
from emocx_pbx.domain import Reading, Scores, Span
from emocx_pbx.lab.nats import PrivateNats
from emocx_pbx.lab.postgres import PrivatePostgres
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.settings import LogSettings, WebhookSettings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.sender import Sender
from emocx_pbx.wire.bus import Bus, BusLogin
from emocx_pbx.wire.inflow import Inflow
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

TICKS: Final = os.sysconf("SC_CLK_TCK")
PARTS: Final = ("messages", "writes", "deliveries")
#: Readings of one transaction, as the controller writes them.
TOGETHER: Final = 100
#: Events of a call, and receivers, of the deliveries.
EVENTS, RECEIVERS, ANSWER_S = 4, 8, 0.02
PATIENCE_S: Final = 120.0
#: Between two looks whether all is delivered, when nothing is.
LOOK_S: Final = 0.5

_encode = msgspec.msgpack.Encoder().encode
_PLAN: Final = StreamPlan(subjects.STREAM, subjects.STREAM_SUBJECTS)


def tree_cpu_s(pid: int) -> float:
    """User and system time so far of a process, its children, and those that ended."""
    found = 0.0
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        found += sum(int(field) for field in fields[11:15]) / TICKS
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            found += tree_cpu_s(int(child))
    except FileNotFoundError:
        pass  # it ended meanwhile, and its parent has its time
    return found


# Nodes: each prints "ready", begins when a line comes, and tells what it did.


class Node:
    """One of them: what it did since it was told to begin."""

    def __init__(self) -> None:
        self.done = 0
        self._begun = self._cpu = 0.0
        self._took = {"seconds": 0.0, "cpu_s": 0.0}

    async def begin(self) -> None:
        """Say that all is ready, and wait for the others."""
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        self._begun, self._cpu = time.monotonic(), time.process_time()

    def mark(self) -> None:
        """Something was done just now."""
        self._took = {"seconds": time.monotonic() - self._begun, "cpu_s": time.process_time() - self._cpu}

    def end(self) -> None:
        """Say what was done."""
        print(json.dumps({"done": self.done, **self._took}), flush=True)


async def publish(node: Node, url: str, number: str, seconds: str) -> None:
    """One worker's batches: a reading with an utterance of each side."""
    bus = Bus(BusLogin((url,)))
    await bus.start()
    uuid, call_id = f"00000000-0000-0000-0000-{int(number):012d}", f"{number}.1"
    await node.begin()
    ends, done = time.monotonic() + float(seconds), 0
    while time.monotonic() < ends:
        t0, t1 = 3.0 * done, 3.0 * done + 3
        batch = TapBatch(
            uuid,
            call_id,
            done + 1,
            (
                UtteranceEnded(uuid, call_id, "customer", t0, t1),
                UtteranceEnded(uuid, call_id, "agent", t1, t1 + 2),
                ReadingMade(uuid, call_id, t0, t1, 3.0, (0.1, 0.7, 0.1, 0.1), 0.4, "voice/5"),
            ),
        )
        await bus.keep(subjects.tap("", uuid), _encode(batch), f"{uuid}.{batch.number}")
        node.done = done = done + 1
        node.mark()
    node.end()
    await bus.close()


async def write(node: Node, url: str, number: str, seconds: str) -> None:
    """One controller's readings."""
    store = await Store.open(url)
    scores = Scores((0.1, 0.7, 0.1, 0.1))
    calls = [f"{number}.{call}" for call in range(TOGETHER)]
    await node.begin()
    ends, turn = time.monotonic() + float(seconds), 0
    while time.monotonic() < ends:
        t0 = 3.0 * turn
        reading = Reading(t0, t0 + 3, 3.0, scores, "voice/5")
        await store.readings.add_many(
            [(call, [reading], time.time(), []) for call in calls],
            [(call, [Span("customer", t0, t0 + 3), Span("agent", t0 + 3, t0 + 5)]) for call in calls],
        )
        turn, node.done = turn + 1, node.done + TOGETHER
        node.mark()
    node.end()
    await store.close()


async def send(node: Node, url: str, number: str, receivers: str) -> None:
    """One sender; ends when nothing is left."""
    at = [WebhookSettings(*pair) for pair in json.loads(receivers)]
    store = await Store.open(url, at)
    settled = asyncio.Event()

    def one(name: str, outcome: str) -> None:
        node.done += outcome == "delivered"
        settled.set()

    sender = Sender(store.outbox, lambda: at, Poster(Networks(["127.0.0.0/8"])), on_outcome=one)
    await node.begin()
    sending = asyncio.create_task(sender.run())
    left = True
    while left:
        settled.clear()
        try:
            await asyncio.wait_for(settled.wait(), LOOK_S)
            node.mark()
        except TimeoutError:
            left = bool(await store.outbox.pending())
    node.end()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    await store.close()


NODES: Final[dict[str, Callable[..., Awaitable[None]]]] = {"publish": publish, "write": write, "send": send}


async def together(kind: str, number: int, *arguments: str) -> dict[str, float]:
    """Run that many nodes at once: what they did, in how many seconds, at what cost."""
    nodes = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.cluster_scale", "--node", kind, arguments[0], str(n + 1)),
            *arguments[1:],
            stdin=-1,
            stdout=-1,
        )
        for n in range(number)
    ]
    async with asyncio.timeout(PATIENCE_S):
        for node in nodes:
            assert node.stdout is not None
            if await node.stdout.readline() != b"ready\n":
                raise SystemExit(f"a node did not start: {kind}")
        for node in nodes:
            assert node.stdin is not None
            node.stdin.write(b"\n")
        said = [json.loads((await node.communicate())[0]) for node in nodes]
    done = sum(one["done"] for one in said)
    return {
        "nodes": number,
        "done": done,
        "a_second": round(done / max(one["seconds"] for one in said), 1),
        "node_cpu_ms": round(1000 * sum(one["cpu_s"] for one in said) / max(1, done), 4),
    }


# What nodes are measured against.


async def messages(number: int, seconds: float) -> dict[str, float]:
    """Batches through the stream, and what taking them out costs."""
    with PrivateNats() as server:
        bus = Bus(BusLogin((server.url,)))
        await bus.start()
        await ensure_stream(bus, _PLAN)

        taken = 0
        more = asyncio.Event()

        def take(body: bytes) -> None:
            nonlocal taken
            taken += 1
            more.set()

        async def written() -> None:
            return None

        async def all_taken(number: int) -> None:
            while taken < number:
                more.clear()
                await more.wait()

        inflow = Inflow(bus, _PLAN, "_", subjects.taps(""), 1, "bench", take, written)
        taking = asyncio.create_task(inflow.run())
        server_cpu, own_cpu = tree_cpu_s(server.pid), time.process_time()
        found = await together("publish", number, server.url, str(seconds))
        await asyncio.wait_for(all_taken(int(found["done"])), PATIENCE_S)
        found["taker_cpu_ms"] = round(1000 * (time.process_time() - own_cpu) / found["done"], 4)
        found["server_cpu_ms"] = round(1000 * (tree_cpu_s(server.pid) - server_cpu) / found["done"], 4)
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        await bus.close()
        return found


async def writes(number: int, seconds: float) -> dict[str, float]:
    """Readings, each with two utterances, into PostgreSQL."""
    with PrivatePostgres(durable=True) as server:
        store = await Store.open(server.url())
        for node in range(number):
            for call in range(TOGETHER):
                await store.calls.start(f"{node + 1}.{call}", time.time(), None, None, None, None)
        before = tree_cpu_s(server.pid)
        found = await together("write", number, server.url(), str(seconds))
        found["server_cpu_ms"] = round(1000 * (tree_cpu_s(server.pid) - before) / found["done"], 4)
        await store.close()
        return found


async def deliveries(number: int, seconds: float) -> dict[str, float]:
    """Webhooks to some receivers, so many that they take some seconds."""
    with PrivatePostgres(durable=True) as server:
        async with Receiver() as crm:
            crm.delay_s = lambda: ANSWER_S
            at = [WebhookSettings(f"crm{n}", crm.url, crm.secret) for n in range(RECEIVERS)]
            store = await Store.open(server.url(), at)
            for call in range(int(25 * seconds)):
                for event in range(EVENTS):
                    await store.outbox.add_event(
                        "call.alert", f"c{call}", {"state": "cleared"}, time.time(), str(event)
                    )
            before = tree_cpu_s(server.pid)
            receivers = json.dumps([[one.name, one.url, one.secret] for one in at])
            found = await together("send", number, server.url(), receivers)
            found["server_cpu_ms"] = round(1000 * (tree_cpu_s(server.pid) - before) / found["done"], 4)
            found["posts"] = len(crm.deliveries)
            await store.close()
            return found


async def measure(parts: Sequence[str], nodes: Sequence[int], seconds: float) -> dict[str, Any]:
    """All that was asked for."""
    measured = {"messages": messages, "writes": writes, "deliveries": deliveries}
    result: dict[str, Any] = {"seconds": seconds, "cores": os.cpu_count(), "load": os.getloadavg()[0]}
    for part in parts:
        rows = [await measured[part](number, seconds) for number in nodes]
        for row in rows:
            row["times_one"] = round(row["a_second"] / rows[0]["a_second"], 2)
        result[part] = rows
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it, as one of its nodes or whole."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--only", default=",".join(PARTS), help="some of " + ",".join(PARTS))
    parser.add_argument("--node", nargs="+", help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    configure(LogSettings(level="error"))
    if args.node:
        kind, *given = args.node
        asyncio.run(_as_node(kind, given))
        return 0
    parts = args.only.split(",")
    if not set(parts) <= set(PARTS):
        parser.error(f"--only: expected some of {', '.join(PARTS)}")
    print(json.dumps(asyncio.run(measure(parts, args.nodes, args.seconds)), indent=2))
    return 0


async def _as_node(kind: str, given: Sequence[str]) -> None:
    await NODES[kind](Node(), *given)


if __name__ == "__main__":
    sys.exit(main())
