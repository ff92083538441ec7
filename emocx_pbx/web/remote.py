"""The controller as its web process has it: asked by messages, within deadlines and bounds."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar
from uuid import UUID

import structlog

from emocx_pbx.analysis.messages import ModelsLoaded
from emocx_pbx.chat.moves import CallIsOver, CallMoved, CallTaken, CallTalks, CallWaits
from emocx_pbx.dispatch.callback import new_call_id
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.domain import Decision
from emocx_pbx.errors import EmocxError, InputError, PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.live.mirror import Mirror
from emocx_pbx.observe.health import Component, report_of
from emocx_pbx.routing.decision import RuleOutcome
from emocx_pbx.settings.settings import Settings
from emocx_pbx.web.messages import (
    Answering,
    Asking,
    BecameCall,
    BoardChanged,
    BoardNow,
    Counted,
    CustomerForgotten,
    Decide,
    Decided,
    Done,
    Failed,
    FromWeb,
    MetricsText,
    ReadMetrics,
    ReceiversChanged,
    ReloadAll,
    ReloadedAll,
    Ring,
    SettingsChanged,
    StateNow,
    Stop,
    Tested,
    TestReceiver,
    ToWeb,
    TriedOut,
    TryOut,
)
from emocx_pbx.webhooks.schedule import Outcome
from emocx_pbx.wire.link import Link
from emocx_pbx.wire.message import BadMessage

log = structlog.get_logger()

#: Questions to the controller that wait for their answer; more are refused at once (503).
MAX_ASKED: Final = 256
#: Beyond the deadline that the controller itself keeps.
MARGIN_S: Final = 1.0
#: Loading models on a cold disk.
RELOAD_S: Final = 90.0
#: A receiver has at most 30 s.
TEST_S: Final = 35.0
METRICS_S: Final = 2.0
#: Times of requests kept between two reports; the rest of such a second is not timed.
MAX_TIMED: Final = 5_000

_KINDS: Final[Mapping[str, type[EmocxError]]] = {
    "input": InputError,
    "unavailable": PeerUnavailable,
    "refused": RefusedError,
}

A = TypeVar("A", bound=Answering)


class Controller:
    """One for the process; `run` takes what the controller sends, until it stops us or is gone."""

    def __init__(self, link: Link[ToWeb], deadline_s: float, action_s: float) -> None:
        """`deadline_s` is that of decisions, `action_s` that of actions at Asterisk."""
        self._link, self._deadline_s, self._action_s = link, deadline_s, action_s
        self._ids = itertools.count(1)
        self._asked: dict[int, asyncio.Future[Answering]] = {}
        self._state: StateNow | None = None
        self.mirror = Mirror()
        self.began = asyncio.Event()
        """State and board are known."""
        self.on_moved: Callable[[CallMoved], None] = lambda moved: None
        """Told what happens to calls; must not block."""
        self.on_receivers: Callable[[], None] = lambda: None
        """Told that receivers changed in the store; must not block."""
        self.on_settings: Callable[[Settings], None] = lambda settings: None
        """Told that settings changed; must not block."""

    @property
    def state(self) -> StateNow:
        """The newest.

        Raises:
            PeerUnavailable: the controller has not told of itself yet.
        """
        if self._state is None:
            raise PeerUnavailable("the controller has not told of itself yet")
        return self._state

    def tell(self, message: FromWeb) -> None:
        """Send what needs no answer.

        Raises:
            PeerUnavailable: the controller is gone, or does not read.
        """
        self._link.send(message)

    async def run(self) -> None:
        """Take messages until Stop or the end of the link."""
        try:
            while True:
                try:
                    message = await self._link.receive()
                except BadMessage as error:
                    log.error("message refused", key="web.bad_message", why=str(error))
                    continue
                if message is None or isinstance(message, Stop):
                    return
                self._take(message)
        except ProtocolError as error:
            log.error("the controller talks nonsense", key="web.garbled", why=str(error))
        finally:
            for future in self._asked.values():
                future.cancel()

    def _take(self, message: ToWeb) -> None:
        match message:
            case StateNow():
                self._state = message
            case BoardNow(state):
                self.mirror.begin(state)
                self.began.set()
            case BoardChanged(number, kind, there, data):
                self.mirror.take(number, kind, there, data)
            case CallWaits() | CallTaken() | CallTalks() | CallIsOver():
                self.on_moved(message)
            case ReceiversChanged():
                self.on_receivers()
            case SettingsChanged(settings):
                self.on_settings(settings)
            case Stop():
                pass  # ends `run`
            case _:
                future = self._asked.get(message.request_id)
                if future is not None and not future.done():
                    future.set_result(message)

    async def _ask(self, question: Callable[[int], Asking], answer: type[A], deadline_s: float) -> A:
        if len(self._asked) >= MAX_ASKED:
            raise PeerUnavailable("too many requests wait for the controller already")
        number = next(self._ids)
        future: asyncio.Future[Answering] = asyncio.get_running_loop().create_future()
        self._asked[number] = future
        try:
            self._link.send(question(number))
            async with asyncio.timeout(deadline_s):
                found = await future
        except TimeoutError:
            raise PeerUnavailable("the controller did not answer in time") from None
        finally:
            del self._asked[number]
        if isinstance(found, Failed):
            raise _KINDS.get(found.kind, EmocxError)(found.why)
        if not isinstance(found, answer):
            raise PeerUnavailable(f"the controller answered with {type(found).__name__}")
        return found

    # What handlers call: the same as the controller's own parts.

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide a query given as text.

        Raises:
            PeerUnavailable: the controller is too busy, or gone.
        """
        deadline_s = self._deadline_s + MARGIN_S
        return (await self._ask(lambda n: Decide(n, text, caller), Decided, deadline_s)).decision

    async def preview(self, text: str, caller: Caller) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided, and what each rule had to do with it.

        Raises:
            PeerUnavailable: the text was not classified in time.
        """
        found = await self._ask(lambda n: TryOut(n, text, caller), TriedOut, self._deadline_s + MARGIN_S)
        return found.decision, found.rules

    def became_call(self, decision: Decision, caller: Caller) -> None:
        """A decided query becomes a call."""
        self.tell(BecameCall(decision, caller))

    def forget(self, call_ids: Sequence[str]) -> None:
        """The customers of these calls, which go on, were erased."""
        if call_ids:
            self.tell(CustomerForgotten(tuple(call_ids)))

    async def ring(
        self, number: str, call_id: str, decision: Decision, customer: str | None, opted_out: bool
    ) -> None:
        """Dial the (checked) number; who answers enters the decision's queue.

        Raises:
            InputError, PeerUnavailable, RefusedError: as the controller's own call back.
        """
        await self._ask(
            lambda n: Ring(n, number, call_id, decision, customer, opted_out),
            Done,
            self._action_s + MARGIN_S,
        )

    async def reload(self, wait: bool = True) -> list[ModelsLoaded]:
        """Let the controller read the policy again, and workers load what models' names now stand for.

        With `wait` the workers' answers; else they load behind the answer, which is empty.
        """
        return list((await self._ask(lambda n: ReloadAll(n, wait), ReloadedAll, RELOAD_S)).workers)

    async def test_receiver(self, name: str) -> Outcome:
        """Send the named receiver a signed test event."""
        return (await self._ask(lambda n: TestReceiver(n, name), Tested, TEST_S)).outcome

    async def scrape(self) -> tuple[bytes, str]:
        """All metrics as Prometheus text, and its content type."""
        found = await self._ask(ReadMetrics, MetricsText, METRICS_S)
        return found.body, found.content_type


class RemoteCallBack:
    """Calling customers back, by the controller."""

    def __init__(self, controller: Controller, new_uuid: Callable[[], UUID]) -> None:
        self._new_uuid = new_uuid
        self.ring = controller.ring

    def new_call_id(self) -> str:
        """The Uniqueid that the call's channel will have."""
        return new_call_id(self._new_uuid)


class RemoteHealth:
    """The controller's health board, as last told."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    def components(self) -> Mapping[str, Component]:
        """All components, by name."""
        return self._controller.state.components

    @property
    def ready(self) -> bool:
        """Whether all are up."""
        components = self.components()
        return bool(components) and all(c.up for c in components.values())

    def report(self) -> dict[str, object]:
        """As HealthBoard.report."""
        return report_of(self.components())


class Tally:
    """What the process counts, until it is told to the controller, whose metrics it goes into."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], float] = {}
        self._requests: list[tuple[str, float]] = []

    def count(self, name: str, label: str = "", by: float = 1.0) -> None:
        """As Metrics.count."""
        self._counts[name, label] = self._counts.get((name, label), 0.0) + by

    def request(self, area: str, seconds: float) -> None:
        """As Metrics.request."""
        if len(self._requests) < MAX_TIMED:
            self._requests.append((area, seconds))

    def taken(self, watchers: int) -> Counted:
        """All since the last time."""
        counts = tuple((name, label, by) for (name, label), by in self._counts.items())
        requests = tuple(self._requests)
        self._counts.clear()
        self._requests.clear()
        return Counted(counts, requests, watchers)
