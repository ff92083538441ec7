"""One controller or several, as handlers use them: like the controller's own parts, but through messages."""

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

#: Most requests to the controller that wait for an answer; more are refused at once (503).
MAX_ASKED: Final = 256
#: Seconds beyond the deadline that the controller itself keeps.
MARGIN_S: Final = 1.0
#: Seconds for loading models from a cold disk.
RELOAD_S: Final = 90.0
METRICS_S: Final = 2.0
#: Seconds for checking a number, which is quick.
ADMIT_S: Final = 2.0

A = TypeVar("A", bound=m.Answering)
R = TypeVar("R")
Question = Callable[[int, float | None], m.Asking]


class AskedByMessages(ABC):
    """What handlers call; subclasses carry the requests and answers."""

    def __init__(self, deadline_s: float, action_s: float, mirror: Mirror) -> None:
        """`deadline_s` is the deadline for decisions, `action_s` that for actions on Asterisk, in seconds."""
        self._deadline_s, self._action_s = deadline_s, action_s
        self.mirror = mirror
        """The live board."""
        self.board_anew: Listeners[[]] = Listeners()
        """Listeners are called when the mirror started afresh."""
        self.moves: Listeners[[CallMoved]] = Listeners()
        """Listeners get what happens to calls."""
        self.receivers_changed: Listeners[[]] = Listeners()
        """Listeners are called when receivers changed in the store."""

    @abstractmethod
    async def _ask(
        self,
        question: Question,
        answer: type[A],
        deadline_s: float,
        pbx: str | None = None,
    ) -> A:
        """Send a request and return the answer; `pbx`: whose controller to ask, None: any.

        The request gets its number, and until when it is waited for, by the controller's own monotonic clock
        (None: not known).

        Raises:
            EmocxError: the error with which the controller failed.
            PeerUnavailable: there is no controller, or it is too busy.
            OutcomeUnknown: it did not answer in time.
        """

    @abstractmethod
    def _tell(self, message: m.BecameCall, pbx: str) -> None:
        """Notify the controller of a PBX; raises PeerUnavailable if there is none."""

    @property
    @abstractmethod
    def state(self) -> m.StateNow:
        """The state of the service, as far as it is known.

        Raises:
            PeerUnavailable: no controller reports it.
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
        """What each analysis worker reported about its models; raises as `state`."""
        return self.state.workers

    # What handlers call: the same as the controller's own parts.

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide a query given as text.

        Raises:
            PeerUnavailable: the controller is too busy, or gone.
        """
        deadline_s = self._deadline_s + MARGIN_S
        pbx = pbx_of(caller.call_id) if caller.call_id else caller.pbx
        return (await self._ask(lambda n, _: m.Decide(n, text, caller), m.Decided, deadline_s, pbx)).decision

    async def preview(self, text: str, caller: Caller) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided, and what part each rule played in it.

        Raises:
            PeerUnavailable: the text was not classified in time.
        """
        found = await self._ask(
            lambda n, _: m.TryOut(n, text, caller), m.TriedOut, self._deadline_s + MARGIN_S
        )
        return found.decision, found.rules

    def became_call(self, decision: Decision, caller: Caller) -> None:
        """A query that was decided becomes a call."""
        self._tell(m.BecameCall(decision, caller), pbx_of(caller.call_id or ""))

    async def do(self, deed: Deed[R], by: Actor) -> R:
        """Have the controller do a deed.

        Raises:
            EmocxError: as raised by the deed's own function.
            PeerUnavailable: the controller is gone, or too busy.
            OutcomeUnknown: it did not answer in time; the deed may still be done.
        """
        asked = cast(AnyDeed, deed)
        call_id: str | None = getattr(deed, "call_id", None)
        pbx = None if call_id is None else pbx_of(call_id)
        done = await self._ask(
            lambda n, until: m.DoDeed(n, asked, by, until), m.DeedDone, deed.deadline_s, pbx
        )
        return cast(R, msgspec.msgpack.decode(done.result, type=deed.answer))

    async def admit(self, text: str, pbx: str | None = None) -> str:
        """Check a number and count it as a call placed now by `pbx`; returns the number to dial.

        Raises:
            DiallingRefused: it can't be parsed, may not be called, or too many calls were placed.
            PeerUnavailable: the controller is gone, or too busy.
        """
        return (await self._ask(lambda n, _: m.MayDial(n, text), m.Admitted, ADMIT_S, pbx)).number

    async def ring(self, call: CallToPlace, by: Actor | None = None) -> None:
        """Dial a number that was just admitted.

        Raises:
            NotAllowedError, InputError, PeerUnavailable, RefusedError: as the controller's own Placing.
        """
        deadline_s = self._action_s + MARGIN_S
        await self._ask(
            lambda n, until: m.Ring(n, call, by, until), m.CallPlaced, deadline_s, pbx_of(call.call_id)
        )

    async def reload(self, wait: bool = True) -> list[ModelsLoaded]:
        """Have the controller reread the policy, and workers load the versions that models' names now stand
        for.

        With `wait` returns the workers' answers; else they load after the answer, which is empty.
        """
        return list((await self._ask(lambda n, _: m.ReloadAll(n, wait), m.ReloadedAll, RELOAD_S)).workers)

    async def scrape(self) -> tuple[bytes, str]:
        """All metrics as Prometheus text, and its content type."""
        found = await self._ask(lambda n, _: m.ReadMetrics(n), m.MetricsText, METRICS_S)
        return found.body, found.content_type
