"""SIGHUP: settings and policy are read again; what can change does, or nothing does and it is said why."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import structlog

from emocx_pbx.errors import EmocxError
from emocx_pbx.settings.reload import difference
from emocx_pbx.settings.settings import Settings

if TYPE_CHECKING:
    from emocx_pbx.service.controller import Service

log = structlog.get_logger()


def reload_all(service: Service, read: Callable[[], Settings]) -> bool:
    """Read settings and policy again and take them over, both or neither; whether they were.

    What came of it is logged, and told as the component `settings` of the service's health: an
    administrator who runs `systemctl reload` sees neither our answer nor our exit status.
    """
    try:
        found = difference(service.settings, read())
        policy = service.policies.read(found.in_force.policy_path())
    except (EmocxError, OSError) as error:
        why = " ".join(str(error).split())
        log.error("settings refused, the old ones stay", key="settings.refused", why=why)
        service.metrics.count("reloads", "refused")
        service.health.set("settings", True, f"the last reload was refused: {why}")
        return False
    service.take_over(found.in_force, policy)
    service.metrics.count("reloads", "taken")
    log.info("settings read again", key="settings.reloaded", changed=list(found.taken))
    needs = f"a restart is needed for {', '.join(found.restart)}" if found.restart else ""
    if needs:
        log.warning("settings that need a restart", key="settings.restart_needed", names=list(found.restart))
    service.health.set("settings", True, needs)
    return True
