"""Grounds for decisions, as a test wants them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from emocx_pbx.dispatch.grounds import Grounds, PolicyForDecisions
from emocx_pbx.domain import LineZero
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import AgiSettings, RoutingSettings, Settings


@dataclass
class FixedPolicy:
    """A policy and queues that change only when the test says so."""

    policy: Policy
    queues: Mapping[str, QueueState] = field(default_factory=dict)
    widening: Collection[int] = ()


class NothingRanked:
    def ranked(self) -> Collection[str]:
        return ()


class NoLines:
    """A site whose lines are not known yet."""

    def zeros(self, call_id: str) -> tuple[LineZero, ...]:
        return ()


def grounds(
    policies: PolicyForDecisions,
    *,
    now: Callable[[], float] = lambda: 1000.0,
    new_id: Callable[[], str] = lambda: "dec_1",
    deadline_s: float = 1.0,
    in_force: SettingsInForce | None = None,
) -> Grounds:
    """Grounds without a ranking; `in_force` goes before `deadline_s`."""
    settings = in_force or SettingsInForce(Settings(agi=AgiSettings(deadline_s=deadline_s)))
    return Grounds(settings, policies, NothingRanked(), now, new_id)


def routing(**changed: object) -> SettingsInForce:
    """Settings with these values in [routing]."""
    return SettingsInForce(Settings(routing=RoutingSettings(**changed)))  # type: ignore[arg-type]
