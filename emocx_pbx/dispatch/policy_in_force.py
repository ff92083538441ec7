"""The policy in force, one for all PBXes, checked against them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from emocx_pbx.dispatch.queue_watch import QueueWatch, warn
from emocx_pbx.errors import EmocxError, SettingsError
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy, load_policy, unknown_pbxes, unknown_queues

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The outcome of rereading the policy file."""

    loaded: bool
    """False: refused, the old policy stays in force."""
    problems: tuple[str, ...] = ()
    """Why it was refused; or, if it was taken, what an administrator should know."""


class Policies:
    """Reads the policy file, and checks it against the PBXes that are watched."""

    def __init__(self, path: Path | None, pbxes: Sequence[str] = ("",)) -> None:
        """Load.

        Args:
            path: the policy file; None: the built-in policy.
            pbxes: names of all PBXes in the settings, whether we watch them or not.

        Raises:
            SettingsError: the file is missing or wrong, or names a PBX that does not exist.
        """
        self._path, self._pbxes = path, tuple(pbxes)
        self.policy: Policy = self._loaded(path)
        self._watched: dict[str, QueueWatch] = {}

    def watch(self, pbx: str, queues: QueueWatch) -> None:
        """Check the policy against the queues of this PBX as well."""
        self._watched[pbx] = queues

    def unwatch(self, pbx: str) -> None:
        """Stop watching this PBX: it is no longer ours."""
        self._watched.pop(pbx, None)

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """All PBXes' queues; if two have the same name, the first one's. Empty while unknown."""
        found: dict[str, QueueState] = {}
        for watched in self._watched.values():
            found = {**watched.queues, **found}
        return found

    @property
    def queues_by_pbx(self) -> Mapping[str, Mapping[str, QueueState]]:
        """Each PBX's queues, by its name."""
        return {pbx: watched.queues for pbx, watched in self._watched.items()}

    @property
    def queues_to_name(self) -> Mapping[str, QueueState]:
        """Queues that a policy may name; empty: unknown, because those of some PBX are."""
        return self.queues if all(watched.queues for watched in self._watched.values()) else {}

    @property
    def widening(self) -> frozenset[int]:
        """Waits for a better agent that every PBX is known to end."""
        return frozenset.intersection(*(w.widening for w in self._watched.values()), frozenset(range(1000)))

    def _loaded(self, path: Path | None) -> Policy:
        policy = load_policy(path)
        if unknown := unknown_pbxes(policy, self._pbxes):
            raise SettingsError("; ".join(unknown))
        return policy

    def reload(self) -> Reloaded:
        """Reread the file; it is refused if it is wrong or names queues that no PBX has."""
        try:
            policy = self.read(self._path)
        except EmocxError as error:
            log.error("policy refused, the old one stays", key="policy.refused", why=str(error))
            return Reloaded(False, (str(error),))
        return self.put_in_force(self._path, policy)

    def read(self, path: Path | None) -> Policy:
        """Read and check a policy file; nothing changes yet.

        Raises:
            SettingsError: the file is missing or wrong, or names queues that no PBX has.
        """
        policy = self._loaded(path)
        queues = self.queues_to_name
        if queues and (unknown := unknown_queues(policy, queues)):
            raise SettingsError("; ".join(unknown))
        for rule in policy.rules:
            there = [self._watched[pbx].queues for pbx in rule.pbxes if pbx in self._watched]
            if rule.queue and there and all(there) and not any(rule.queue in queues for queues in there):
                raise SettingsError(f'rule "{rule.name}": {", ".join(rule.pbxes)} has no queue {rule.queue}')
        return policy

    def put_in_force(self, path: Path | None, policy: Policy) -> Reloaded:
        """Put this policy, as `read` from this file, into force."""
        self._path, self.policy = path, policy
        problems = [problem for watched in self._watched.values() for problem in watched.problems()]
        log.info("policy reloaded", key="policy.reloaded", problems=len(problems))
        warn(problems)
        return Reloaded(True, tuple(problems))
