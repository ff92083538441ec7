"""Every call's journey: happenings go to their call's state, and their effects are carried out.

A happening changes its call at once, in memory, so that taps, alerts and the live view are never behind
the store. What must be written goes to the ledger, in the order in which things happened; a crash loses what
waits there, and recovery.py reconstructs what it can.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import structlog

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import (
    AskWhere,
    BeginTap,
    CancelTimer,
    Count,
    Effect,
    EndTaps,
    Forget,
    Note,
    SetTimer,
    Show,
    TellAlert,
    WriteDecision,
)
from emocx_pbx.calls.hands import Acting
from emocx_pbx.calls.happenings import (
    CallbackBegun,
    CustomerErased,
    FinishDue,
    GradeDue,
    Happening,
    LetGo,
    News,
    TapLost,
)
from emocx_pbx.calls.ledger import Ledger
from emocx_pbx.calls.rules import Rules
from emocx_pbx.dispatch.asked import DecidedQuery
from emocx_pbx.events import build
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.observe.metrics import of_pbx
from emocx_pbx.pbx.tracking.changes import AgentJoined, CallEnded, CallStarted, QueueJoined

log = structlog.get_logger()

#: Number of settled calls whose ids are kept, so that a late happening does not start them again: at 5,000
#: concurrent calls, those of ten minutes.
MAX_OVER: Final = 20_000
#: Seconds between two looks whether a call's last readings can still be on their way.
LOOK_S: Final = 0.25

_BEGIN = (CallbackBegun, CallEnded, CallStarted, DecidedQuery, QueueJoined, AgentJoined)


class Journeys:
    """The live calls, by id; fed synchronously on the event loop."""

    def __init__(
        self,
        rules: Rules,
        ledger: Ledger,
        hands: Acting,
        count: Callable[..., None],
        now: Callable[[], float] = time.time,
        acts: Callable[[str], bool] = lambda call_id: True,
        behind: Callable[[str], bool] = lambda call_id: False,
    ) -> None:
        """Prepare.

        Args:
            rules: what calls are checked against.
            ledger: writes what happened.
            hands: do what calls need done at once.
            count: adds one to a counter.
            now: Unix seconds.
            acts: whether we act for a call's PBX; of other calls only decisions made here are written.
            behind: whether what was heard of a call a while ago may still arrive; nothing is graded until it
                has, so it must not say so for ever.
        """
        self._rules, self._ledger, self._hands = rules, ledger, hands
        self._now, self._count, self._acts, self._behind = now, count, acts, behind
        self._calls: dict[str, CallState] = {}
        self._over: OrderedDict[str, None] = OrderedDict()
        self._timers: dict[str, dict[GradeDue | FinishDue, asyncio.TimerHandle]] = {}
        """By call."""
        self.news: Listeners[[News, CallState]] = Listeners()
        """Listeners get every happening before it is stored, with the call as it is then."""

    @property
    def rules(self) -> Rules:
        """The rules that calls are checked against."""
        return self._rules

    @property
    def calls(self) -> Mapping[str, CallState]:
        """Calls that are not settled, by id."""
        return self._calls

    def is_over(self, call_id: str) -> bool:
        """Whether a call was settled."""
        return call_id in self._over

    def settled(self, call_ids: Iterable[str]) -> None:
        """These calls are over: ignore whatever still arrives for them."""
        self._over |= dict.fromkeys(call_ids)
        while len(self._over) > MAX_OVER:
            self._over.popitem(last=False)

    def put(self, happening: Happening) -> None:
        """Take a happening and carry out its effects."""
        call_id = _call_id(happening)
        if call_id is None or not self._acts(call_id):
            if isinstance(happening, DecidedQuery):
                self._ledger.add(self._loose(happening))
            return
        call = self._calls.get(call_id)
        if call is None:
            if call_id in self._over or not isinstance(happening, _BEGIN):
                self._count("happenings_late", **of_pbx(pbx_of(call_id)))
                return
            call = self._calls[call_id] = CallState(call_id, self._rules)
        self.apply(call, call.take(happening, self._now()))

    def put_late(self, query: DecidedQuery) -> None:
        """Take a decision made a while ago; it does not start a call that is over or unknown."""
        if query.caller.call_id in self._calls:
            self.put(query)
        else:
            self._ledger.add(self._loose(query))

    def taps_lost(self, uuids: Iterable[str]) -> None:
        """A worker died: nothing more will come from these taps."""
        lost = set(uuids)
        for call in list(self._calls.values()):
            for uuid in call.taps & lost:
                self.put(TapLost(call.call_id, uuid))

    def forget_customers(self, call_ids: Iterable[str]) -> None:
        """The customers of these calls were erased."""
        for call_id in call_ids:
            self.put(CustomerErased(call_id))

    def naming_customers(self) -> list[str]:
        """Ids of live calls for which a customer's key or number is held."""
        return [call_id for call_id, call in self._calls.items() if call.customer or call.caller]

    def let_go(self, pbx: str) -> None:
        """Another controller acts for this PBX: its calls go on there, and have no more effects here."""
        for call_id in [call_id for call_id in self._calls if pbx_of(call_id) == pbx]:
            self.news.tell(LetGo(call_id), self._calls.pop(call_id))
            for timer in self._timers.pop(call_id, {}).values():
                timer.cancel()

    def adopt(self, call: CallState) -> None:
        """Take over a call that is open in the store."""
        call.unread = self._behind(call.call_id)
        self._calls[call.call_id] = call

    def _loose(self, query: DecidedQuery) -> WriteDecision:
        """A query that has no call (yet), or whose call another controller continues."""
        call_id, customer = query.caller.call_id, query.caller.customer_key
        routed = build.query_routed(query.decision, call_id, customer)
        text = query.text if self._rules.keep_text() else None
        return WriteDecision(query.decision, call_id, customer, text, (routed,), ours=call_id is None)

    def apply(self, call: CallState, effects: Sequence[Effect]) -> None:
        """Carry out the effects."""
        for effect in effects:
            match effect:
                case BeginTap():
                    self._hands.begin_tap(effect)
                case EndTaps(call_id=call_id, unheard=unheard):
                    self._hands.end_taps(call_id, unheard)
                case AskWhere():
                    self._hands.ask_where(call)
                case TellAlert(alerted=alerted):
                    self._hands.tell_alert(alerted)
                case Show(news=news):
                    self.news.tell(news, call)
                case SetTimer(due=due, after_s=after_s):
                    self._cancel(due)
                    self._set(due, after_s)
                case CancelTimer(due=due):
                    self._cancel(due)
                case Count(name=name, label=label):
                    labels = [label] if label is not None else []
                    self._count(name, *labels, **of_pbx(pbx_of(call.call_id)))
                case Note(key=key, message=message, fields=fields, level=level):
                    getattr(log, level)(message, key=key, **fields)
                case Forget(call_id=call_id):
                    self._forget(call_id)
                case _:
                    self._ledger.add(effect)

    def _set(self, due: GradeDue | FinishDue, after_s: float) -> None:
        timer = asyncio.get_running_loop().call_later(after_s, self._due, due)
        self._timers.setdefault(due.call_id, {})[due] = timer

    def _due(self, due: GradeDue | FinishDue) -> None:
        self._pop(due)
        if self._behind(due.call_id):
            self._set(due, LOOK_S)
        else:
            self.put(due)

    def _cancel(self, due: GradeDue | FinishDue) -> None:
        if timer := self._pop(due):
            timer.cancel()

    def _pop(self, due: GradeDue | FinishDue) -> asyncio.TimerHandle | None:
        timers = self._timers.get(due.call_id, {})
        timer = timers.pop(due, None)
        if not timers:
            self._timers.pop(due.call_id, None)
        return timer

    def _forget(self, call_id: str) -> None:
        self._calls.pop(call_id, None)
        self.settled([call_id])
        for timer in self._timers.pop(call_id, {}).values():
            timer.cancel()


def _call_id(happening: Happening) -> str | None:
    return happening.caller.call_id if isinstance(happening, DecidedQuery) else happening.call_id
