"""Calls made up as messages of Asterisk and workers, and the parts of the controller that follow them."""

from __future__ import annotations

import itertools
import random
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any, Final, cast

import msgspec

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
from emocx_pbx.pbx.ami.link import plain, read_message
from emocx_pbx.pbx.tracking.tracker import CallTracker
from emocx_pbx.store.database import Store
from emocx_pbx.web.messages import BoardChanged

TALK_SHARE: Final = 0.4
#: A reading every 3 s of the customer's speech.
READING_S: Final = 3.0 / TALK_SHARE
AGENTS: Final = 6000
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
