"""The policy in force, and what it needs to know of the PBX: the queues' states and queue rules."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import structlog

from emocx_pbx.errors import EmocxError, PeerUnavailable, RefusedError, SettingsError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.queues import queue_states, widening_rules
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy, TierWait, load_policy, unknown_queues, validate

log = structlog.get_logger()

#: Between two looks at the queues' states.
QUEUES_S = 5.0
#: The queue rules change only when an administrator reloads them: one look in this many is enough.
RULES_EVERY = 12


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What came of reading the policy file again."""

    loaded: bool
    """False: refused, the old policy stays in force."""
    problems: tuple[str, ...] = ()
    """Why it was refused; or what an administrator should know all the same."""


class Policies:
    """Reads the policy file, holds it against the PBX, and knows the queues' states."""

    def __init__(
        self,
        ami: Ami,
        path: Path | None,
        names: AgentNames | None = None,
    ) -> None:
        """Load.

        Args:
            ami: the link to Asterisk.
            path: the policy file; None: the built-in policy.
            names: what queue members are called; None: as their queues call them.

        Raises:
            SettingsError: the file is missing or wrong.
        """
        self._ami, self._path, self._names = ami, path, names
        self.policy: Policy = load_policy(path)
        self.queues: Mapping[str, QueueState] = {}
        """Empty while unknown: rules that ask for a state do not fire then."""
        self.widening: frozenset[int] = frozenset()
        """Waits for a better agent that Asterisk is known to end; only those are ever asked for."""

    def reload(self) -> Reloaded:
        """Read the file again; one that is wrong or names queues the PBX does not have is refused."""
        try:
            policy = self.read(self._path)
        except EmocxError as error:
            log.error("policy refused, the old one stays", key="policy.refused", why=str(error))
            return Reloaded(False, (str(error),))
        return self.put_in_force(self._path, policy)

    def read(self, path: Path | None) -> Policy:
        """A policy file's policy; nothing changes yet.

        Raises:
            SettingsError: the file is missing or wrong, or names queues that the PBX does not have.
        """
        policy = load_policy(path)
        if self.queues and (unknown := unknown_queues(policy, self.queues)):
            raise SettingsError("; ".join(unknown))
        return policy

    def put_in_force(self, path: Path | None, policy: Policy) -> Reloaded:
        """From now on this policy, as `read` from this file, decides."""
        self._path, self.policy = path, policy
        problems = self._problems()
        log.info("policy reloaded", key="policy.reloaded", problems=len(problems))
        self._warn(problems)
        return Reloaded(True, tuple(problems))

    async def met(self, events: Iterable[Mapping[str, str]]) -> None:
        """The link came up, and this is its QueueStatus: say what does not fit.

        Raises:
            PeerUnavailable, RefusedError: the queue rules could not be asked.
        """
        self.queues = queue_states(events, self._names)
        self.widening = await widening_rules(self._ami, get_args(TierWait))
        self._warn(self._problems())

    async def watch(self) -> None:
        """Keep the queues' states, until cancelled."""
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

    def _problems(self) -> list[str]:
        return validate(self.policy, self.queues, self.widening) if self.queues else []

    def _warn(self, problems: list[str]) -> None:
        for problem in problems:
            log.warning("policy does not fit this PBX", key="policy.unfit", why=problem)
