"""The penalty keeper: keeps the penalties of queue members equal to the ranking, and puts them back.

One pass: QueueStatus -> ranking from stored grades -> differences -> remember them in the database -> set
them. The previous values are remembered first, so that a crash at any moment loses nothing: the next start,
or `emocx-pbx penalties restore`, still knows the administrator's own penalties.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import structlog

from emocx_pbx.dispatch.queue_watch import HasPolicy
from emocx_pbx.errors import PeerUnavailable, RefusedError, StoreError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.queues import queue_members
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.routing.penalties import (
    Kept,
    Key,
    Member,
    agents_of,
    plan_penalties,
    queue_emotions,
    queue_placings,
    settled,
)
from emocx_pbx.routing.policy import Policy, policy_on
from emocx_pbx.routing.ranking import Ranking, RankingPlan, rank
from emocx_pbx.routing.tiers import TierPlacing, loads
from emocx_pbx.settings.settings import RoutingSettings
from emocx_pbx.store.ranking import RankingRows

log = structlog.get_logger()

#: Seconds between two passes when nothing happens.
PERIOD_S = 60.0
#: Seconds within which grades that arrive are handled together.
AFTER_GRADE_S = 5.0
#: Seconds between passes because of grades, however many arrive: reading them all is work.
BETWEEN_S = 30.0
#: Seconds from a change of Asterisk, a member or the policy to the pass.
SOON_S = 0.3
#: Half-lives after which a grade weighs less than 2 %.
HALF_LIVES = 6.0
#: AMI actions in progress at once.
AT_ONCE = 8
#: Seconds for putting everything back at an orderly stop; the rest is put back at the next start.
RESTORE_S = 3.0

_MEMBER_EVENTS = frozenset({"QueueMemberPenalty", "QueueMemberAdded", "QueueMemberRemoved"})


@dataclass(frozen=True, slots=True)
class MemberStanding:
    """A member of a queue, with their penalties and how these came about."""

    queue: str
    emotion: str | None
    """The kind of callers that the queue is ordered for; None: the ranking leaves it alone."""
    agent: str
    interface: str
    penalty: int
    """The current penalty."""
    own: int
    """The administrator's own penalty."""
    tier: int | None
    mean: float | None
    """Expected grade (0 to 100) with such callers."""
    sd: float | None
    """Standard deviation of the expected grade."""
    calls: float | None
    """Number of calls that it rests on, old ones counted in part."""
    why: str
    """Why the member has this place, as a sentence."""


@dataclass(frozen=True, slots=True)
class RankedPbx:
    """A PBX whose queues are ranked."""

    ami: Ami
    names: AgentNames
    """Agents' names, as the call tracker knows them."""
    name: str = ""
    """Its name in the settings; only its queues' penalties are kept."""
    fence: Callable[[], AbstractContextManager[None]] = nullcontext
    """A context in which writes happen only while this controller acts."""


class PenaltyKeeper:
    """Owns the penalties of the queues that the policy ranks."""

    def __init__(
        self,
        pbx: RankedPbx,
        store: RankingRows,
        policies: HasPolicy,
        routing: RoutingSettings,
        count: Callable[..., None] = lambda name, label="", by=1.0: None,
        now: Callable[[], float] = time.time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `run` begins.

        Args:
            pbx: the PBX.
            store: has the grades, and the penalties that were changed.
            policies: the policy in force.
            routing: the section; in monitor mode or with `rank` off, penalties are only put back.
            count: adds to penalties_set, penalties_refused.
            now: Unix seconds.
            clock: monotonic seconds.
        """
        self._pbx, self._ami, self._names, self._fence = pbx.name, pbx.ami, pbx.names, pbx.fence
        self._rows, self._policies = store, policies
        self._acts, self._count, self._now, self._clock = _acts(routing), count, now, clock
        self._plan = RankingPlan()
        self._observed: dict[Key, int] = {}
        self._kept: dict[Key, Kept] = {}
        self._wake = asyncio.Event()
        self._due = float("inf")
        self._looked = float("-inf")
        self._up = False
        self._one_at_a_time = asyncio.Lock()

    @property
    def _policy(self) -> Policy:
        """The part of the policy that applies to this PBX."""
        return policy_on(self._policies.policy, self._pbx)

    # What other parts report.

    def on_ami(self, event: Mapping[str, str]) -> None:
        """Take an AMI event: members come, go, and get other penalties."""
        name = event.get("Event", "")
        if name not in _MEMBER_EVENTS:
            return
        key = event.get("Queue", ""), event.get("Interface", "")
        penalty = int(event.get("Penalty") or 0)
        known = self._kept.get(key)
        if known is not None and known.is_ours(penalty):
            return
        if name == "QueueMemberPenalty" and known is not None:
            self._observed[key] = penalty
        self.poke(SOON_S)

    def on_link(self, up: bool) -> None:
        """The link to Asterisk came up or went down."""
        self._up = up
        if up:
            self.poke(SOON_S)

    def on_graded(self) -> None:
        """Grades may have changed."""
        self.poke(max(AFTER_GRADE_S, self._looked + BETWEEN_S - self._clock()))

    def take_over(self, routing: RoutingSettings) -> None:
        """Order members by these settings from now on, or put their own penalties back and leave them
        alone.
        """
        self._acts = _acts(routing)
        self.poke()

    def poke(self, within_s: float = SOON_S) -> None:
        """Make another pass within this many seconds."""
        self._due = min(self._due, self._clock() + within_s)
        self._wake.set()

    def ranked(self) -> Collection[str]:
        """Queues whose members are ordered by the ranking."""
        return queue_emotions(self._policy) if self._acts else ()

    # The loop.

    async def run(self) -> None:
        """Make a pass whenever something has happened, until cancelled."""
        while True:
            self._wake.clear()
            try:
                async with asyncio.timeout(max(0.0, self._due - self._clock())):
                    await self._wake.wait()
            except TimeoutError:
                self._looked = self._clock()
                self._due = self._looked + PERIOD_S
                await self._look_safely()

    async def _look_safely(self) -> None:
        if not self._up:
            return
        try:
            await self.look()
        except (PeerUnavailable, RefusedError, StoreError) as error:
            log.warning("penalties not brought up to date", key="penalties.failed", why=str(error))

    async def look(self) -> int:
        """Bring all penalties up to date; returns how many were set.

        Raises:
            PeerUnavailable, RefusedError: Asterisk did not report its queues.
            StoreError: the database refused; no penalty was set that is not remembered.
        """
        async with self._one_at_a_time:
            self._kept = await self._rows.kept_penalties(self._pbx)
            if not self._acts and not self._kept:
                return 0
            members, queues = await self._members()
            tiers: Mapping[tuple[str, str], int] = {}
            if self._acts and queue_emotions(self._policy):
                places = await self._placings(members, await self.ranking())
                tiers = {key: placing.tier for key, placing in places.items()}
            return await self._bring_to(members, queues, tiers)

    async def _placings(
        self, members: Sequence[Member], ranking: Ranking
    ) -> dict[tuple[str, str], TierPlacing]:
        now = self._now()
        calls = await self._rows.agents_calls(now - self._plan.load_window_s)
        return queue_placings(self._policy, agents_of(members), ranking, loads(calls, now, self._plan))

    async def standings(self) -> list[MemberStanding]:
        """Every member of every queue as they are now, by queue, whoever rings first on top; nothing is set.

        Raises:
            PeerUnavailable, RefusedError, StoreError: Asterisk or the database could not be asked.
        """
        kept = await self._rows.kept_penalties(self._pbx)
        members, _ = await self._members()
        ranking = await self.ranking()
        places = await self._placings(members, ranking)
        emotions = queue_emotions(self._policy)
        found = []
        for member in members:
            before = kept.get((member.queue, member.interface))
            own = before.original if before and before.is_ours(member.penalty) else member.penalty
            emotion = emotions.get(member.queue)
            estimate = ranking.estimate(member.agent, emotion) if emotion else None
            placing = places.get((member.queue, member.agent))
            found.append(
                MemberStanding(
                    member.queue,
                    emotion,
                    member.agent,
                    member.interface,
                    member.penalty,
                    own,
                    placing.tier if placing else None,
                    estimate.mean if estimate else None,
                    estimate.sd if estimate else None,
                    estimate.calls if estimate else None,
                    placing.why if placing else self._why_not(member.queue),
                )
            )
        return sorted(found, key=lambda s: (s.queue, s.own, s.tier or 0, s.agent, s.interface))

    def _why_not(self, queue: str) -> str:
        """Why the ranking leaves a queue alone, as a sentence."""
        if self._policy.rank_by.get(queue) == "off":
            return "not ranked: [rank_by] in the policy turns it off"
        return "not ranked: no rule of the policy sends callers of an emotion there"

    async def left(self) -> int:
        """How many penalties are still to be put back."""
        return len(await self._rows.kept_penalties(self._pbx))

    async def ranking(self) -> Ranking:
        """The ranking computed from all stored grades."""
        now = self._now()
        outcomes = await self._rows.outcomes(now - HALF_LIVES * self._plan.half_life_s)
        # Thousands of grades take a while; calls must not wait for this.
        return await asyncio.to_thread(rank, outcomes, now, self._plan)

    async def restore(self, deadline_s: float = RESTORE_S) -> int:
        """Put the administrator's own penalties back, and stop ranking; returns how many were put back."""
        self._acts = False
        try:
            async with asyncio.timeout(deadline_s):
                return await self.look()
        except (PeerUnavailable, RefusedError, StoreError, TimeoutError) as error:
            log.warning(
                "own penalties not all put back; the next start or `emocx-pbx penalties restore` does it",
                key="penalties.not_restored", left=len(self._kept), why=str(error) or "not in time",
            )  # fmt: skip
            return 0

    async def _members(self) -> tuple[list[Member], set[str]]:
        events = (await self._ami.action("QueueStatus", {})).events
        queues = {e.get("Queue", "") for e in events if e.get("Event") == "QueueParams"}
        return queue_members(events, self._names), queues

    async def _bring_to(
        self, members: Sequence[Member], queues: set[str], tiers: Mapping[tuple[str, str], int]
    ) -> int:
        observed = dict(self._observed)
        plan = plan_penalties(members, self._kept, tiers, observed, self._plan.tiers, queues)
        for kept in plan.adopted:
            log.info(
                "the administrator's own penalty changed", key="penalties.adopted",
                queue=kept.queue, member=kept.interface, penalty=kept.original,
            )  # fmt: skip
        with self._fence():
            await self._rows.keep_penalties(plan.remember, plan.forget, self._pbx)
        self._observed = {k: v for k, v in self._observed.items() if observed.get(k) != v}
        self._kept = {k: v for k, v in self._kept.items() if k not in plan.forget}
        self._kept |= {k.key: k for k in plan.remember}
        changes = [kept for kept in plan.remember if kept.applying is not None]
        if not changes:
            return 0
        slots = asyncio.Semaphore(AT_ONCE)
        set_ones = [kept for kept in await asyncio.gather(*(self._set(k, slots) for k in changes)) if kept]
        after = [(kept, settled(kept)) for kept in set_ones]
        kept_on = [new for _, new in after if new is not None]
        gone = [old.key for old, new in after if new is None]
        with self._fence():
            await self._rows.keep_penalties(kept_on, gone, self._pbx)
        self._kept = {k: v for k, v in self._kept.items() if k not in gone} | {k.key: k for k in kept_on}
        log.info(
            "penalties set" if tiers else "own penalties put back",
            key="penalties.set" if tiers else "penalties.restored",
            set=len(set_ones),
            refused=len(changes) - len(set_ones),
        )
        return len(set_ones)

    async def _set(self, kept: Kept, slots: asyncio.Semaphore) -> Kept | None:
        """Set one penalty; None if Asterisk refused or did not answer: the next pass finds out."""
        fields = {"Queue": kept.queue, "Interface": kept.interface, "Penalty": str(kept.applying)}
        async with slots:
            try:
                await self._ami.action("QueuePenalty", fields)
            except (RefusedError, PeerUnavailable) as error:
                self._count("penalties_refused")
                log.warning(
                    "penalty not set", key="penalties.refused",
                    queue=kept.queue, member=kept.interface, why=str(error),
                )  # fmt: skip
                return None
        self._count("penalties_set")
        return kept


def _acts(routing: RoutingSettings) -> bool:
    return routing.rank and routing.mode == "active"
