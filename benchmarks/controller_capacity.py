"""What calls cost the controller, how that grows with their number, and what a day of them leaves in memory.

    python -m benchmarks.controller_capacity [--calls 500 1000 2000 5000] [--seconds 15] [--against COMMIT]
                                             [--day 100000] [--plot FILE.svg]

In one process, as the service has it: Asterisk's events as text, read and followed; workers' messages as
MessagePack; calls' states, three alert rules, the live board and what it tells the web process; everything
written to a database on this disk. Not in it: pages, deliveries to receivers, decisions, Originate.
So many calls are begun; then for some seconds each gives a reading every 3 s of its customer's speech (a talk
share of .4: every 7.5 s) and utterances of both sides, and as many calls end and begin as calls of 3 minutes
would, all by absolute times. One call in six is angry or disappointed. CPU is of the whole process, SQLite's
thread and the making of the messages (about a tenth) included. Each number of calls and each tree has
a process of its own.

--day lets a day of so many calls pass as fast as the machine allows, by a clock of its own, 500 at once, and
tells the memory after each hour of it. The ids of the last 20,000 ended calls are kept (`calls/journeys.py`):
so many calls must be over before the memory can be flat ("growth_mb_once_settled"; null on shorter days).
Prints one JSON object; on stderr what is done. A commit that does not run with what is installed now is
left out, with its reason, and the exit status is 1.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import itertools
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

import msgspec
import numpy as np

from emocx_pbx.alerts.rules import AlertRule
from emocx_pbx.analysis.messages import ReadingMade, TapEnded, TapStarted, ToController, UtteranceEnded
from emocx_pbx.calls import writing
from emocx_pbx.calls.journeys import Journeys
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.rules import Rules
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.domain import Decision
from emocx_pbx.grading.rubric import Rubric, load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.calls import BoardChange
from emocx_pbx.live.watch import watching
from emocx_pbx.observe.logs import configure
from emocx_pbx.pbx.ami.link import plain, read_message
from emocx_pbx.pbx.tracking.tracker import CallTracker
from emocx_pbx.settings.settings import LogSettings
from emocx_pbx.store.database import Store
from emocx_pbx.web.messages import BoardChanged

ROOT = Path(__file__).resolve().parents[1]
TALK_SHARE: Final = 0.4
#: A reading every 3 s of the customer's speech, and utterances of 2.5 s on either side.
READING_S: Final = 3.0 / TALK_SHARE
SPAN_S: Final = 2.5 / (2 * TALK_SHARE)
CALL_S: Final = 180.0
AGENTS: Final = 6000
#: Calls at once on the simulated day.
AT_ONCE: Final = 500
#: Calls after which nothing more is kept of each: `journeys.MAX_OVER`, those that go on, and a few.
SETTLED: Final = 21_000
DAY_S: Final = 86_400.0
QUEUES: Final = ("care", "support", "sales", "billing")
ALERTS: Final = (
    AlertRule(name="anger", when="angry"),
    AlertRule(name="disappointment", when="disappointed"),
    AlertRule(name="worse", when="falling"),
)
READ = msgspec.msgpack.Decoder(ToController)


@dataclass
class Clock:
    """Unix seconds: of this machine, or of the simulated day."""

    at: float | None = None

    def __call__(self) -> float:
        """Now."""
        return time.time() if self.at is None else self.at


@dataclass(slots=True)
class Call:
    """One call, and what is next of it."""

    number: int
    agent: int
    t: float = 0.0
    """Call time of its newest reading."""

    @property
    def call_id(self) -> str:
        """Uniqueid of the customer's channel."""
        return f"{1_700_000_000 + self.number}.1"

    @property
    def channel(self) -> str:
        """The customer's."""
        return f"PJSIP/trunk-{self.number & 0xFFFFFFFF:08x}"

    @property
    def leg(self) -> str:
        """Uniqueid of the agent's channel."""
        return f"{1_700_000_000 + self.number}.2"

    @property
    def desk(self) -> str:
        """The agent's channel."""
        return f"PJSIP/{10_000 + self.agent}-{self.number & 0xFFFFFFFF:08x}"


class Rule(Rules):
    """The rubric, and alert rules."""

    def alerts(self) -> tuple[AlertRule, ...]:
        """Those of the benchmark."""
        return ALERTS


class Idle:
    """Hands with nothing to do: there is no Asterisk."""

    def begin_tap(self, *what: object) -> None:
        """Nobody is tapped."""

    end_taps = ask_where = tell_alert = begin_tap


def wired_before(store: Store, rubric: Rubric, now: Clock) -> tuple[Any, Any]:
    """Ledger and journeys of commits before 70c6576, where parts got functions, not each other."""
    parts: Any = writing
    ledger = cast(Any, Ledger)(
        lambda write: parts.carry_out(store, write),
        lambda up, why: None,
        lambda *name: None,
        write_small=lambda writes: parts.carry_out_small(store, writes),
    )
    rules = cast(Any, Rules)(rubric, lambda: ALERTS)
    return ledger, cast(Any, Journeys)(rules, ledger, Idle(), now, lambda *name: None)


@dataclass
class Controller:
    """The controller's parts that calls go through."""

    store: Store
    now: Clock
    took: dict[str, list[float]] = field(default_factory=lambda: {"reading": [], "event": []})
    """Seconds of the main thread's CPU, each time."""
    told_bytes: int = 0
    timed: bool = True
    """Whether each event and reading is timed: the clock of a thread takes as long as they do in some virtual
    machines."""

    def __post_init__(self) -> None:
        rubric = load_rubric()
        self.tracker = CallTracker()
        self.board = LiveBoard(rubric.evidence.stay_s)
        watch = watching(self.board, self.now)
        if not hasattr(writing, "Writing"):
            self.ledger, self.journeys = wired_before(self.store, rubric, self.now)
            self.journeys.watch, self.board.on_change = watch, self._tell  # type: ignore[attr-defined]
            return
        self.ledger = Ledger(writing.Writing(self.store), lambda up, why: None, lambda *name: None)
        self.journeys = Journeys(
            Rule(rubric), self.ledger, cast(Any, Idle()), lambda *name: None, self.now.__call__
        )
        self.journeys.news.subscribe(watch)
        self.board.changes.subscribe(self._tell)

    def _tell(self, change: BoardChange) -> None:
        """As the service tells its web process."""
        observed = BoardChanged(change.number, change.kind, change.present, change.data)
        self.told_bytes += len(msgspec.msgpack.encode(observed))

    def ami(self, name: str, **headers: str) -> None:
        """An event of Asterisk's, from its text on."""
        lines = [f"Event: {name}", "Privilege: call,all", *(f"{k}: {v}" for k, v in headers.items())]
        text = "\r\n".join(lines)
        if not self.timed:
            self._take_event(text)
            return
        began = time.thread_time()
        self._take_event(text)
        self.took["event"].append(time.thread_time() - began)

    def _take_event(self, text: str) -> None:
        message = read_message(text)
        assert message is not None
        for change in self.tracker.feed(plain(message), self.now()):
            self.journeys.put(change)

    def worker(self, message: ToController) -> None:
        """A worker's message, from its bytes on."""
        data = msgspec.msgpack.encode(message)
        if not self.timed:
            self.journeys.put(READ.decode(data))
            return
        began = time.thread_time()
        self.journeys.put(READ.decode(data))
        if isinstance(message, ReadingMade):
            self.took["reading"].append(time.thread_time() - began)


class Calls:
    """Begins calls, lets them speak, and ends them."""

    def __init__(self, controller: Controller, seed: int = 1) -> None:
        self.controller, self._chance = controller, random.Random(seed)
        self._numbers = itertools.count(1)
        for agent in range(AGENTS):  # as the answer to QueueStatus tells of them
            member = {"Queue": QUEUES[agent % len(QUEUES)], "Name": f"Agent {agent}"}
            controller.ami("QueueMember", **member, Location=f"PJSIP/{10_000 + agent}", Status="1")
        self._free = deque(range(AGENTS))

    def begin(self) -> Call:
        """A caller is routed, waits, is answered and tapped."""
        to, call = self.controller, Call(next(self._numbers), self._free.popleft())
        # Of the agent's own queue: a member of every queue would be learnt call by call for most of a day.
        queue, customer = QUEUES[call.agent % len(QUEUES)], f"+49301{call.number % 10_000_000:07d}"
        caller = {"Channel": call.channel, "Uniqueid": call.call_id, "Linkedid": call.call_id}
        desk = {"Channel": call.desk, "Uniqueid": call.leg, "Linkedid": call.call_id}
        member = {"Queue": queue, "MemberName": f"Agent {call.agent}", "Interface": call.desk[:-9]}
        to.ami("Newchannel", **caller, CallerIDNum=customer, Context="in", Exten="100", ChannelState="4")
        decision = Decision(f"dec_{call.number:032x}", to.now(), "ok", queue, "neutral", 0.7, None)
        to.tracker.announce(call.call_id, call.channel, customer, to.now())
        to.journeys.put(DecidedQuery(decision, Caller(call.call_id, f"crm-{call.number % 40_000}"), None))
        to.ami("QueueCallerJoin", **caller, Queue=queue, Position="1", CallerIDNum=customer, Count="1")
        to.ami("MusicOnHoldStart", **caller, Class="default")
        to.ami("Newchannel", **desk, CallerIDNum=str(10_000 + call.agent), ChannelState="0")
        to.ami("AgentCalled", **caller, **member, DestChannel=call.desk, DestUniqueid=call.leg)
        ringing = {"DestChannel": call.desk, "DestUniqueid": call.leg, "HoldTime": "2", "RingTime": "2"}
        to.ami("AgentConnect", **caller, **member, **ringing)
        to.ami("QueueCallerLeave", **caller, Queue=queue, Position="1", Count="0")
        to.ami("MusicOnHoldStop", **caller)
        for who in (desk, caller):
            to.ami("BridgeEnter", **who, BridgeUniqueid=f"b{call.number}", BridgeTechnology="simple_bridge")
        to.worker(TapStarted(f"u{call.number}", call.call_id, to.now()))
        return call

    def reads(self, call: Call) -> None:
        """A window of the customer's speech was heard."""
        weights = [self._chance.random() ** 4 + 0.02 for _ in range(4)]
        weights[{0: 0, 1: 2}.get(call.number % 12, 1)] += 1.0
        a, n, d, h = (weight / sum(weights) for weight in weights)
        t0, t1 = call.t, call.t + READING_S - 0.5
        observed = ReadingMade(
            f"u{call.number}", call.call_id, t0, t1, 3.0, (a, n, d, h), 0.42, "voice/5", (a, n, d, h)
        )
        self.controller.worker(observed)
        call.t += READING_S

    def spoke(self, call: Call, side: str, t: float) -> None:
        """One side said something."""
        self.controller.worker(UtteranceEnded(f"u{call.number}", call.call_id, side, t, t + 2.5))

    def end(self, call: Call) -> None:
        """The customer hangs up."""
        to = self.controller
        caller = {"Channel": call.channel, "Uniqueid": call.call_id, "Linkedid": call.call_id}
        desk = {"Channel": call.desk, "Uniqueid": call.leg, "Linkedid": call.call_id}
        to.ami("HangupRequest", **caller, Cause="16")
        for who in (caller, desk):
            to.ami("BridgeLeave", **who, BridgeUniqueid=f"b{call.number}")
        for who in (desk, caller):
            to.ami("Hangup", **who, Cause="16")
        to.worker(TapEnded(f"u{call.number}", call.call_id, to.now(), "eof", call.t, 0.02, 0.0))
        self._free.append(call.agent)


async def paced(store: Store, calls: int, seconds: float) -> dict[str, Any]:
    """So many calls at once for a while."""
    controller = Controller(store, Clock())
    load = Calls(controller)
    ledger = asyncio.create_task(controller.ledger.run())
    going: deque[Call] = deque()
    for begun in range(calls):
        going.append(load.begin())
        going[-1].t = CALL_S * begun / calls  # as if it had gone on for a while
        if begun % 20 == 19:
            await controller.ledger.written(60.0)
    await controller.ledger.written(60.0)
    for taken in controller.took.values():
        taken.clear()
    lags: list[float] = []
    observed = controller.told_bytes
    used, main, began = time.process_time(), time.thread_time(), time.perf_counter()
    count = dict.fromkeys(("reading", "span", "call"), 0)
    rates = {"reading": calls / READING_S, "span": 2 * calls / SPAN_S / 2, "call": calls / CALL_S}
    turn = 0
    while (passed := time.perf_counter() - began) < seconds:
        for what, rate in rates.items():
            while count[what] < passed * rate:
                count[what] += 1
                if what == "call":
                    load.end(going.popleft())
                    going.append(load.begin())
                elif what == "reading":
                    turn = (turn + 1) % len(going)
                    load.reads(going[turn])
                else:
                    call = going[count[what] % len(going)]
                    load.spoke(call, ("agent", "customer")[count[what] % 2], count[what] * 0.01)
        asked = time.perf_counter()
        await asyncio.sleep(0.005)
        lags.append(time.perf_counter() - asked - 0.005)
    wall = time.perf_counter() - began
    cpu, main = time.process_time() - used, time.thread_time() - main
    waits = len(controller.ledger)
    await controller.ledger.written(60.0)
    ledger.cancel()
    return {
        "calls": calls,
        "seconds": round(wall, 1),
        "readings_per_s": round(count["reading"] / wall, 1),
        "utterances_per_s": round(count["span"] / wall, 1),
        "calls_begun_and_ended_per_s": round(count["call"] / wall, 1),
        "cores": round(cpu / wall, 3),
        "main_thread_cores": round(main / wall, 3),
        "reading_us": microseconds(controller.took["reading"]),
        "event_us": microseconds(controller.took["event"]),
        "loop_lag_ms": {
            name: round(1e3 * float(np.percentile(lags, mark)), 1)
            for name, mark in (("p50", 50), ("p99", 99), ("max", 100))
        },
        "changes_waiting_at_the_end": waits,
        "told_web_kb_per_s": round((controller.told_bytes - observed) / wall / 1e3, 1),
        "rss_mb": round(rss_mb(), 1),
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
    }


async def day(store: Store, calls: int, readings: int = 8) -> dict[str, Any]:
    """A day of calls, as fast as it goes; each with so many readings and twice as many utterances."""
    clock = Clock(1_800_000_000.0)
    controller = Controller(store, clock, timed=False)
    load = Calls(controller)
    ledger = asyncio.create_task(controller.ledger.run())
    going: deque[Call] = deque()
    memory: list[dict[str, float]] = []
    used, began = time.process_time(), time.perf_counter()
    for number in range(1, calls + 1):
        assert clock.at is not None
        clock.at += DAY_S / calls
        going.append(load.begin())
        if len(going) > AT_ONCE or number == calls:
            call = going.popleft()
            for turn in range(readings):
                load.reads(call)
                for side in ("customer", "agent"):
                    load.spoke(call, side, turn * READING_S + (side == "agent"))
            load.end(call)
        if number % 25 == 0:
            await controller.ledger.written(60.0)
        if 24 * number // calls > len(memory):
            gc.collect()
            memory.append({"hour": len(memory) + 1, "calls": number, "rss_mb": round(rss_mb(), 1)})
    await controller.ledger.written(60.0)
    ledger.cancel()
    rest = memory[len(memory) // 4 :]
    settled = [one for one in memory if one["calls"] > SETTLED]
    return {
        "calls": calls,
        "readings": calls * readings,
        "cpu_ms_per_call": round(1e3 * (time.process_time() - used) / calls, 2),
        "wall_s": round(time.perf_counter() - began, 1),
        "memory": memory,
        "growth_mb_after_the_first_quarter": round(rest[-1]["rss_mb"] - rest[0]["rss_mb"], 1),
        "growth_mb_once_settled": round(settled[-1]["rss_mb"] - settled[0]["rss_mb"], 1) if settled else None,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3, 1),
        "still_held": len(controller.journeys.calls) - len(going),
    }


def microseconds(taken: list[float]) -> dict[str, float] | None:
    """Mean and 99 % mark."""
    if not taken:
        return None
    return {
        "mean": round(1e6 * sum(taken) / len(taken), 1),
        "p99": round(1e6 * float(np.percentile(taken, 99)), 1),
    }


def rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


async def alone(options: argparse.Namespace) -> dict[str, Any]:
    """One measurement, in this process."""
    configure(LogSettings(level="error"))
    with tempfile.TemporaryDirectory() as folder:
        store = await Store.open(Path(folder) / "emocx.db")
        try:
            if options.day:
                return await day(store, options.day)
            return await paced(store, options.calls[0], options.seconds)
        finally:
            await store.close()


def in_tree(tree: Path, *words: str) -> dict[str, Any]:
    """A measurement in a process whose package is that of the tree."""
    environment = os.environ | {"PYTHONPATH": str(tree)}
    command = [sys.executable, __file__, "--alone", *words]
    done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    if done.returncode:
        why = done.stderr.strip().splitlines() or [f"ended by signal or status {done.returncode}"]
        raise RuntimeError(why[-1])
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def checked_out(commit: str, folder: Path) -> Path:
    """The package of a commit."""
    packed = subprocess.run(
        ["git", "archive", commit, "emocx_pbx"], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", folder], input=packed.stdout, check=True)
    return folder


def ratios(earlier: list[dict[str, Any]], here: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    """CPU of the earlier commit by that of this one, for each number of calls that both have."""
    now = {run["calls"]: run["cores"] for run in here}
    for before in earlier:
        if before["calls"] in now:
            yield str(before["calls"]), round(before["cores"] / now[before["calls"]], 2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--calls", type=int, nargs="*", default=[500, 1000, 2000, 5000])
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--against", default="", metavar="COMMIT", help="measure this commit as well")
    parser.add_argument("--day", type=int, default=0, metavar="CALLS", help="let a day of so many calls pass")
    parser.add_argument("--plot", type=Path, help="draw CPU over the number of calls")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.alone:
        json.dump(asyncio.run(alone(options)), sys.stdout)
        return 0
    failed = False
    result: dict[str, Any] = {"cpus": os.cpu_count(), "load": round(os.getloadavg()[0], 2)}
    with tempfile.TemporaryDirectory() as folder:
        trees = {"here": ROOT}
        if options.against:
            trees[options.against] = checked_out(options.against, Path(folder))
        # By turns, so that what else the machine does meets both trees.
        for calls in options.calls:
            for name, tree in trees.items():
                words = ("--calls", str(calls), "--seconds", str(options.seconds))
                try:
                    result.setdefault(name, []).append(in_tree(tree, *words))
                except RuntimeError as error:
                    # Such as a commit that needs what is not installed any more: the others' figures stand.
                    print(f"{name}, {calls} calls: no figures: {error}", file=sys.stderr)
                    failed = True
                else:
                    print(f"{name}, {calls} calls: done", file=sys.stderr)
    if options.against and options.calls:
        result["cpu_ratio"] = dict(ratios(result[options.against], result["here"]))
    if options.day:
        result["day"] = in_tree(ROOT, "--day", str(options.day))
    json.dump(result, sys.stdout, indent=1)
    print()
    if options.plot:
        plot({name: result[name] for name in trees}, options.plot)
        print(f"drawn: {options.plot}", file=sys.stderr)
    return 1 if failed else 0


def plot(found: dict[str, list[dict[str, Any]]], path: Path) -> None:
    """CPU in cores, and microseconds a reading and an event, over the number of calls."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, (cpu, each) = pyplot.subplots(1, 2, figsize=(8, 3))
    for tree, runs in found.items():
        calls = [run["calls"] for run in runs]
        cpu.plot(calls, [run["cores"] for run in runs], "o-", label=tree)
        for what, mark in (("reading", "o-"), ("event", "s--")):
            took = [run[f"{what}_us"]["mean"] if run[f"{what}_us"] else None for run in runs]
            each.plot(calls, took, mark, label=f"{what}, {tree}")
    cpu.set(xlabel="calls at once", ylabel="cores", title="CPU of the controller")
    each.set(xlabel="calls at once", ylabel="µs", title="CPU of one reading, of one event")
    for axes in (cpu, each):
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    sys.exit(main())
