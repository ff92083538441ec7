"""Rereads settings, policy and models during calls: either everything that can change does, or nothing
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from emocx_pbx.analysis.messages import ModelsLoaded
from emocx_pbx.analysis.pool import WorkerPool
from emocx_pbx.dispatch.policy_in_force import Policies, Reloaded
from emocx_pbx.errors import EmocxError
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.reload import difference
from emocx_pbx.settings.settings import Settings

log = structlog.get_logger()


class Reloading:
    """One per service."""

    def __init__(
        self,
        in_force: SettingsInForce,
        policies: Policies,
        pool: WorkerPool,
        tasks: Tasks,
        health: HealthBoard,
        count: Callable[[str, str], None],
    ) -> None:
        """Prepare.

        Args:
            in_force: gets the accepted settings.
            policies: gets the accepted policy.
            pool: has workers load models.
            tasks: owns the loading.
            health: told the result of the last reload as the component `settings`.
            count: adds one to the counter reloads, with the label taken or refused.
        """
        self._in_force, self._policies, self._pool = in_force, policies, pool
        self._tasks, self._health, self._count = tasks, health, count
        self.settings_taken: Listeners[[Settings, Settings]] = Listeners()
        """Listeners get the former settings and those in force from now on."""
        self.policy_taken: Listeners[[]] = Listeners()
        """Listeners are called when a policy was reread and accepted."""

    def everything(self, read: Callable[[], Settings]) -> bool:
        """At SIGHUP: take over both settings and policy or neither; returns whether they were.

        The result is logged and shown as a component of the service's health: an administrator who runs
        `systemctl reload` sees neither our answer nor our exit status.
        """
        try:
            found = difference(self._in_force.settings, read())
            policy = self._policies.read(found.in_force.policy_path())
        except (EmocxError, OSError) as error:
            why = " ".join(str(error).split())
            log.error("settings refused, the old ones stay", key="settings.refused", why=why)
            self._count("reloads", "refused")
            self._health.set("settings", True, f"the last reload was refused: {why}")
            return False
        self._take_over(found.in_force, policy)
        self._count("reloads", "taken")
        log.info("settings read again", key="settings.reloaded", changed=list(found.taken))
        needs = f"a restart is needed for {', '.join(found.restart)}" if found.restart else ""
        if needs:
            names = list(found.restart)
            log.warning("settings that need a restart", key="settings.restart_needed", names=names)
        self._health.set("settings", True, needs)
        return True

    def policy(self) -> Reloaded:
        """Reread the policy file; a wrong one is refused and the old one stays."""
        reloaded = self._policies.reload()
        if reloaded.loaded:
            self.policy_taken.tell()
        return reloaded

    def policy_and_models(self) -> asyncio.Task[list[ModelsLoaded]]:
        """Reread the policy, and have workers load the versions that the models' names now stand for."""
        self.policy()
        return self._load_models()

    def _take_over(self, settings: Settings, policy: Policy) -> None:
        """Calls in progress go on: only what is decided, sent and kept from now on differs."""
        before = self._in_force.settings
        self._in_force.put(settings)
        self._policies.put_in_force(settings.policy_path(), policy)
        self.policy_taken.tell()
        self.settings_taken.tell(before, settings)
        self._load_models()

    def _load_models(self) -> asyncio.Task[list[ModelsLoaded]]:
        topics = self._policies.policy.topics
        return self._tasks.create_task(self._pool.load_models(topics), name="load models")
