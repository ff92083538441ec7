"""What decisions need to know about one PBX: its queues' states, and the queue rules by which it ends
waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Protocol, get_args

import structlog

from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.queues import queue_states, widening_rules
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy, TierWait, policy_on, validate

log = structlog.get_logger()

#: Seconds between two checks of the queues' states.
QUEUES_S = 5.0
#: Queue rules change only when an administrator reloads them: reading them on every Nth check is enough.
RULES_EVERY = 12


class HasPolicy(Protocol):
    """The part of Policies that is needed."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""


class QueueWatch:
    """Checks the policy in force against the queues of one PBX; the service runs `watch`."""

    def __init__(self, ami: Ami, policies: HasPolicy, names: AgentNames | None = None, pbx: str = "") -> None:
        """Prepare.

        Args:
            ami: the link to Asterisk.
            policies: the policy in force.
            names: queue members' names; None: as their queues call them.
            pbx: name of the PBX.
        """
        self._pbx = pbx
        self._ami, self._policies, self._names = ami, policies, names
        self.queues: Mapping[str, QueueState] = {}
        """Empty while unknown: rules that require a state do not fire then."""
        self.widening: frozenset[int] = frozenset()
        """Waits for a better agent that Asterisk is known to end; only those are ever used."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self._policies.policy

    async def met(self, events: Iterable[Mapping[str, str]]) -> None:
        """Take the QueueStatus of a link that came up, and report what does not fit.

        Raises:
            PeerUnavailable, RefusedError: the queue rules could not be read.
        """
        self.queues = queue_states(events, self._names)
        self.widening = await widening_rules(self._ami, get_args(TierWait))
        warn(self.problems())

    async def watch(self) -> None:
        """Keep the queues' states up to date, until cancelled."""
        looks = 0
        while True:
            await asyncio.sleep(QUEUES_S)
            looks += 1
            try:
                events = (await self._ami.action("QueueStatus", {})).events
                self.queues = queue_states(events, self._names)
                if looks % RULES_EVERY == 0:
                    self.widening = await widening_rules(self._ami, get_args(TierWait))
            except (PeerUnavailable, RefusedError):
                self.queues = {}

    def problems(self) -> list[str]:
        """What an administrator should know; nothing while the queues are unknown."""
        if not self.queues:
            return []
        of = f"{self._pbx}: " if self._pbx else ""
        here = policy_on(self.policy, self._pbx)
        return [f"{of}{problem}" for problem in validate(here, self.queues, self.widening)]


def warn(problems: Iterable[str]) -> None:
    """Log whatever in the policy does not fit the queues."""
    for problem in problems:
        log.warning("policy does not fit this PBX", key="policy.unfit", why=problem)
