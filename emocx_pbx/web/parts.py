"""What the handlers of the HTTP app work on, handed over once: the store, and the controller's parts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import web

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.chat.desk import CallBack, Desk
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.domain import Decision
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.routing.decision import QueueState, RuleOutcome
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store


class Queries(Protocol):
    """Turns queries into decisions."""

    async def by_text(self, text: str, caller: Caller) -> Decision:
        """Decide a query given as text."""

    async def preview(self, text: str, caller: Caller) -> tuple[Decision, tuple[RuleOutcome, ...]]:
        """What would be decided, and what each rule had to do with it."""


class Health(Protocol):
    """How the service's components stand."""

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


class Reload(Protocol):
    """Reads the policy file again, and lets workers swap in what models' names now stand for."""

    def __call__(self, wait: bool = True) -> Awaitable[list[ModelsLoaded]]:
        """What workers loaded; without `wait` nothing, and they load behind the answer."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What handlers work on; `request.app[PARTS]`."""

    settings_now: Callable[[], Settings]
    """The settings in force; a reload changes them."""
    store: Store
    """Only read here; what changes it is asked of `deeds`."""
    doors: Queries
    call_back: CallBack
    deeds: Doer
    chat: Desk
    live: LiveFeed
    health: Health
    metrics: Counts
    scrape: Callable[[], Awaitable[tuple[bytes, str]]]
    """All metrics as Prometheus text, and its content type."""
    policy: Callable[[], Policy]
    """The policy in force."""
    queues: Callable[[], Mapping[str, QueueState]]
    """The PBX's queues as last seen; empty while the link is down."""
    reload: Reload
    clock: Callable[[], float]
    """Unix seconds."""
    workers: Callable[[], Sequence[Ready]] = tuple
    """What each analysis worker said of its models."""

    @property
    def settings(self) -> Settings:
        """The settings in force now."""
        return self.settings_now()


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)


def parts_of(request: web.Request) -> Parts:
    """The parts behind a request."""
    return request.app[PARTS]
