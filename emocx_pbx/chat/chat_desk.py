"""The chat desk: takes queries and callback requests, within limits, and follows the calls."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from typing import Final, Protocol

import structlog

from emocx_pbx.chat.moves import CallIsOver, CallMoved, CallTaken, CallTalks, CallWaits
from emocx_pbx.chat.tickets import Ticket, Tickets
from emocx_pbx.chat.waits import Expected, WaitBoard
from emocx_pbx.dispatch.dialling import DiallingRefused
from emocx_pbx.dispatch.numbers import masked
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.errors import EmocxError
from emocx_pbx.limits import Limit, place_of, take
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.store.account_rows import Actor

log = structlog.get_logger()

#: Longest query in characters; a question to a company is a few sentences.
MAX_TEXT: Final = 2_000


#: What a customer is told of a number that is not called; of any other reason only that it is not.
_NOT_DIALLED: Final = {"country": "number_country", "unreadable": "number", "nobodys": "number"}


def new_ticket_id() -> str:
    """An id that cannot be guessed."""
    return uuid.uuid4().hex


class ChatRefused(EmocxError):
    """A customer's wish was refused; `why` names the text that tells the customer."""

    def __init__(self, why: str, status: int, wait_s: float = 0.0) -> None:
        super().__init__(why)
        self.why, self.status, self.wait_s = why, status, wait_s


class QueryDecider(Protocol):
    """The part that decides queries, as far as it is needed."""

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide on a query."""

    def became_call(self, decision: Decision, caller: Caller) -> None:
        """A query that was decided becomes a call."""


class PlacesCalls(Protocol):
    """The part that places calls, as far as it is needed."""

    def new_call_id(self, pbx: str | None = None) -> str:
        """A new id for a call that `pbx` is to place; None: as the settings say."""

    async def admit(self, text: str, pbx: str | None = None) -> str:
        """The number to dial, counted as a call by `pbx`; DiallingRefused if it may not be called."""

    async def ring(self, call: CallToPlace, by: Actor | None = None) -> None:
        """Dial the call's number, which was admitted."""


class PolicyAndQueues(Protocol):
    """The policy in force, and the PBX's queues as last seen."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """By name; empty while the link is down."""


class ChatDesk:
    """One per service; everything in it is forgotten within an hour."""

    def __init__(
        self,
        settings: ChatSettings,
        queries: QueryDecider,
        call_back: PlacesCalls,
        can_call: bool,
        policies: PolicyAndQueues,
        count: Callable[..., None],
        now: Callable[[], float] = time.time,
        new_id: Callable[[], str] = new_ticket_id,
    ) -> None:
        """Prepare.

        Args:
            settings: the section [chat].
            queries: decide.
            call_back: places the calls.
            can_call: whether the dialling policy allows any calls at all.
            policies: the policy in force, and the queues.
            count: adds one to a counter.
            now: Unix seconds.
            new_id: makes the id of a ticket.
        """
        self.settings, self._can_call = settings, can_call
        self._queries, self._call_back, self._policies = queries, call_back, policies
        self._now, self._new_id, self._count = now, new_id, count
        self._tickets, self._waits = Tickets(), WaitBoard()
        self._asked_here = Limit(settings.queries_per_address, 600.0)
        self._asked = Limit(settings.queries_per_minute, 60.0)
        self._called_here = Limit(settings.calls_per_address, 3600.0)
        self._placing: set[str] = set()
        """Tickets whose number is being checked."""

    @property
    def limits(self) -> Mapping[str, Limit]:
        """By name, for whoever counts them over several desks."""
        return {"asked_here": self._asked_here, "asked": self._asked, "called_here": self._called_here}

    def take_over(self, settings: ChatSettings) -> None:
        """Use other settings from now on; earlier queries and calls still count in the limits."""
        self.settings = settings
        self._asked_here.change(settings.queries_per_address, 600.0)
        self._asked.change(settings.queries_per_minute, 60.0)
        self._called_here.change(settings.calls_per_address, 3600.0)

    async def ask(self, text: str, consented: bool, address: str) -> Ticket:
        """Decide on a query; without consent it is not analysed and goes to the default queue.

        Raises:
            ChatRefused: empty, too long, or too many.
        """
        text = text.strip()
        if not text:
            raise self._refused("empty", 422)
        if len(text) > MAX_TEXT:
            raise self._refused("too_long", 422)
        now, place = self._now(), place_of(address)
        limits = [("asked_here", self._asked_here, place), ("asked", self._asked, "")]
        if refused := take(limits, now):
            raise self._refused(refused[0], 429, refused[1])
        default = self.settings.default_queue or self._policies.policy.default_queue or None
        decision = await self._queries.by_text(text, Caller(default_queue=default, opted_out=not consented))
        self._count("chat_queries")
        ticket = Ticket(self._new_id(), decision, not consented, now)
        self._tickets.add(ticket)
        return ticket

    async def call_me(self, ticket_id: str, number: str, address: str) -> Ticket:
        """Ring the customer and lead them into the queue of their decision.

        Raises:
            ChatRefused: the number can't be parsed or may not be called, there were too many calls, or
                Asterisk is unreachable.
        """
        now, place = self._now(), place_of(address)
        ticket = self.ticket(ticket_id)
        if not ticket.may_call or ticket_id in self._placing:
            return ticket  # pressed twice
        if not self.calls_back or not ticket.decision.queue:
            raise self._refused("no_calls", 403)
        if wait := self._called_here.wait_s(place, now):
            raise self._refused("called_here", 429, wait)
        # Counted before the result is known: many at the same moment must not all be placed.
        self._called_here.use(place, now)
        self._placing.add(ticket_id)
        try:
            dialled = await self._call_back.admit(number)
        except DiallingRefused as error:
            self._called_here.undo(place)
            if error.wait_s:
                raise self._refused(error.why, 429, error.wait_s) from None
            raise self._refused(_NOT_DIALLED.get(error.why, "number_abroad"), 422) from None
        except EmocxError as error:
            self._called_here.undo(place)
            log.warning("number not admitted", key="chat.call_failed", why=str(error))
            raise self._refused("unavailable", 503) from None
        finally:
            self._placing.discard(ticket_id)
        call_id = self._call_back.new_call_id()
        self._queries.became_call(ticket.decision, Caller(call_id, opted_out=ticket.opted_out))
        self._tickets.calling(ticket, call_id, masked(dialled), now)
        try:
            to_place = CallToPlace(dialled, call_id, ticket.decision, opted_out=ticket.opted_out)
            await self._call_back.ring(to_place)
        except EmocxError as error:
            log.warning("call back failed", key="chat.call_failed", call_id=call_id, why=str(error))
            self._tickets.moved(call_id, "failed", now)
            raise self._refused("unavailable", 503) from None
        self._count("chat_calls")
        return ticket

    def ticket(self, ticket_id: str) -> Ticket:
        """A ticket in its present state.

        Raises:
            ChatRefused: unknown, or forgotten after an hour.
        """
        found = self._tickets.get(ticket_id, self._now())
        if found is None:
            raise ChatRefused("gone", 404)
        return found

    def expected(self, ticket: Ticket) -> Expected:
        """How long the customer would wait in their queue."""
        queue = ticket.decision.queue
        return self._waits.expected(queue, self._policies.queues.get(queue), self._now())

    def team(self, ticket: Ticket) -> str:
        """What customers call the queue; empty: it has no name for them."""
        return self.settings.queues.get(ticket.decision.queue, "")

    @property
    def calls_back(self) -> bool:
        """Whether anybody can be called back at all."""
        return self.settings.call_backs and self._can_call

    def watch(self, moved: CallMoved) -> None:
        """Take what happens to calls."""
        match moved:
            case CallWaits(call_id, at, queue, place):
                self._waits.joined(call_id, queue, place)
                self._tickets.moved(call_id, "waiting", at)
            case CallTaken(call_id, at, queue, waited_s):
                self._waits.connected(call_id, queue, waited_s, at)
            case CallTalks(call_id, at):
                self._tickets.moved(call_id, "talking", at)
            case CallIsOver(call_id, at, unreached):
                self._waits.ended(call_id)
                self._tickets.moved(call_id, "failed" if unreached else "ended", at, unreached)

    def _refused(self, why: str, status: int, wait_s: float = 0.0) -> ChatRefused:
        self._count("chat_refused", why)
        return ChatRefused(why, status, wait_s)
