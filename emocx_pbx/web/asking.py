"""A controller, or several, as handlers ask for it: the same as its own parts, by messages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar, cast

import msgspec

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.call_ids import pbx_of
from emocx_pbx.chat.moves import CallMoved
from emocx_pbx.deeds.base import Deed
from emocx_pbx.deeds.deed import AnyDeed
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.live.mirror import Mirror
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.routing.decision import QueueState, RuleOutcome
from emocx_pbx.routing.policy import Policy
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.web import messages as m

#: Questions to the controller that wait for their answer; more are refused at once (503).
MAX_ASKED: Final = 256
#: Beyond the deadline that the controller itself keeps.
MARGIN_S: Final = 1.0
#: Loading models on a cold disk.
RELOAD_S: Final = 90.0
METRICS_S: Final = 2.0
#: A number is looked at in a moment.
ADMIT_S: Final = 2.0

A = TypeVar("A", bound=m.Answering)
R = TypeVar("R")


class AskedByMessages(ABC):
    """What handlers call; how a question gets there and back is its subclasses'."""

    def __init__(self, deadline_s: float, action_s: float, mirror: Mirror) -> None:
        """`deadline_s` is that of decisions, `action_s` that of actions at Asterisk."""
        self._deadline_s, self._action_s = deadline_s, action_s
        self.mirror = mirror
        """The live board."""
        self.board_anew: Listeners[[]] = Listeners()
        """Told that the mirror began anew."""
        self.moves: Listeners[[CallMoved]] = Listeners()
        """Told what happens to calls."""
        self.receivers_changed: Listeners[[]] = Listeners()
        """Told that receivers changed in the store."""

    @abstractmethod
    async def _ask(
        self,
        question: Callable[[int], m.Asking],
        answer: type[A],
        deadline_s: float,
        pbx: str | None = None,
    ) -> A:
        """The answer to a question, which gets its number; `pbx`: whose controller is meant, None: any.

        Raises:
            EmocxError: as the controller failed.
            PeerUnavailable: no controller is there, or it is too busy.
            OutcomeUnknown: it did not answer in time.
        """

    @abstractmethod
    def _tell(self, message: m.BecameCall, pbx: str) -> None:
        """Tell the controller of a PBX; PeerUnavailable: none is there."""

    @property
    @abstractmethod
    def state(self) -> m.StateNow:
        """How things stand, as far as it is known.

        Raises:
            PeerUnavailable: no controller tells.
        """

    @property
    def policy(self) -> Policy:
        """The policy in force; raises as `state`."""
        return self.state.policy

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """The PBX's queues as last seen; raises as `state`."""
        return self.state.queues

    @property
    def pbx_queues(self) -> Mapping[str, Mapping[str, QueueState]]:
        """Each PBX's queues as last seen, by its name; raises as `state`."""
        return self.state.pbx_queues

    def models(self) -> Sequence[Ready]:
        """What each analysis worker said of its models; raises as `state`."""
        return self.state.workers

    # What handlers call: the same as the controller's own parts.

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide a query given as text.

        Raises:
            PeerUnavailable: the controller is too busy, or gone.
        """
        deadline_s = self._deadline_s + MARGIN_S
        pbx = pbx_of(caller.call_id) if caller.call_id else caller.pbx
        return (await self._ask(lambda n: m.Decide(n, text, caller), m.Decided, deadline_s, pbx)).decision

    async def preview(self, text: str, caller: Caller) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided, and what each rule had to do with it.

        Raises:
            PeerUnavailable: the text was not classified in time.
        """
        found = await self._ask(lambda n: m.TryOut(n, text, caller), m.TriedOut, self._deadline_s + MARGIN_S)
        return found.decision, found.rules

    def became_call(self, decision: Decision, caller: Caller) -> None:
        """A decided query becomes a call."""
        self._tell(m.BecameCall(decision, caller), pbx_of(caller.call_id or ""))

    async def do(self, deed: Deed[R], by: Actor) -> R:
        """Let the controller do a deed.

        Raises:
            EmocxError: as the deed's own function.
            PeerUnavailable: the controller is gone, or too busy.
            OutcomeUnknown: it did not answer in time; the deed may still be done.
        """
        asked = cast(AnyDeed, deed)
        call_id: str | None = getattr(deed, "call_id", None)
        pbx = None if call_id is None else pbx_of(call_id)
        done = await self._ask(lambda n: m.DoDeed(n, asked, by), m.DeedDone, deed.deadline_s, pbx)
        return cast(R, msgspec.msgpack.decode(done.result, type=deed.answer))

    async def admit(self, text: str, pbx: str | None = None) -> str:
        """The number to dial, counted as a call that is placed now; `pbx` is to place it.

        Raises:
            DiallingRefused: it can't be read, may not be called, or too many were.
            PeerUnavailable: the controller is gone, or too busy.
        """
        return (await self._ask(lambda n: m.MayDial(n, text), m.Admitted, ADMIT_S, pbx)).number

    async def ring(self, call: CallToPlace, by: Actor | None = None) -> None:
        """Dial a number that was just admitted.

        Raises:
            NotAllowedError, InputError, PeerUnavailable, RefusedError: as the controller's own Placing.
        """
        deadline_s = self._action_s + MARGIN_S
        await self._ask(lambda n: m.Ring(n, call, by), m.CallPlaced, deadline_s, pbx_of(call.call_id))

    async def reload(self, wait: bool = True) -> list[ModelsLoaded]:
        """Let the controller read the policy again, and workers load what models' names now stand for.

        With `wait` the workers' answers; else they load behind the answer, which is empty.
        """
        return list((await self._ask(lambda n: m.ReloadAll(n, wait), m.ReloadedAll, RELOAD_S)).workers)

    async def scrape(self) -> tuple[bytes, str]:
        """All metrics as Prometheus text, and its content type."""
        found = await self._ask(m.ReadMetrics, m.MetricsText, METRICS_S)
        return found.body, found.content_type
