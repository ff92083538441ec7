"""What the handlers of the HTTP app work on, passed to it once: the store, and the controller's parts."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.chat.chat_desk import ChatDesk, PlacesCalls
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.domain import Decision
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.routing.decision import QueueState, RuleOutcome
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store


class QueryPreviewer(Protocol):
    """Turns queries into decisions."""

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide a query given as text."""

    async def preview(self, text: str, caller: Caller) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided, and what part each rule played in it."""


class Health(Protocol):
    """The state of the service's components."""

    @property
    def ready(self) -> bool:
        """Whether all are up."""

    def report(self) -> dict[str, Any]:
        """As HealthBoard.report."""


class Counts(Protocol):
    """Takes what the web counts."""

    def count(self, name: str, label: str = "", by: float = 1.0) -> None:
        """As Metrics.count."""

    def request(self, area: str, seconds: float) -> None:
        """As Metrics.request."""


class Controller(Protocol):
    """The parts of the controller that handlers use directly."""

    @property
    def policy(self) -> Policy:
        """The policy in force."""

    @property
    def queues(self) -> Mapping[str, QueueState]:
        """The PBX's queues as last seen; empty while the link is down."""

    @property
    def pbx_queues(self) -> Mapping[str, Mapping[str, QueueState]]:
        """Each PBX's queues, by its name."""

    def models(self) -> Sequence[Ready]:
        """What each analysis worker reported about its models."""

    async def reload(self, wait: bool = True) -> list[ModelsLoaded]:
        """Reread the policy and load the versions that models' names now stand for; returns what workers
        loaded.

        Without `wait` returns nothing, and they load after the answer.
        """

    async def scrape(self) -> tuple[bytes, str]:
        """All metrics as Prometheus text, and its content type."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What handlers work on; `request.app[PARTS]`."""

    in_force: SettingsInForce
    store: Store
    """Only read here; changes go through `deeds`."""
    controller: Controller
    queries: QueryPreviewer
    call_back: PlacesCalls
    deeds: Doer
    chat: ChatDesk
    live: LiveFeed
    health: Health
    metrics: Counts
    now: Callable[[], float] = time.time
    """Unix seconds."""

    @property
    def settings(self) -> Settings:
        """The settings in force now."""
        return self.in_force.settings


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)


def parts_of(request: web.Request) -> Parts:
    """The parts behind a request."""
    return request.app[PARTS]
