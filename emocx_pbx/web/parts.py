"""What the handlers of the HTTP app work on: the controller's parts, handed over once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from aiohttp import web

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.chat.desk import Desk
from emocx_pbx.dispatch.callback import CallBack
from emocx_pbx.dispatch.queries import Doors
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.schedule import Outcome


@dataclass(frozen=True, slots=True)
class Parts:
    """The controller's parts as handlers see them; `request.app[PARTS]`."""

    settings: Settings
    store: Store
    doors: Doors
    call_back: CallBack
    chat: Desk
    live: LiveFeed
    health: HealthBoard
    metrics: Metrics
    policy: Callable[[], Policy]
    """The policy in force."""
    queues: Callable[[], Mapping[str, QueueState]]
    """The PBX's queues as last seen; empty while the link is down."""
    reload: Callable[[], asyncio.Task[list[ModelsLoaded]]]
    """Read the policy file again, and let workers swap in what models' names now stand for."""
    test_webhook: Callable[[str], Awaitable[Outcome]]
    """Send the named receiver a signed test event."""
    clock: Callable[[], float]
    """Unix seconds."""
    workers: Callable[[], Sequence[Ready]] = tuple
    """What each analysis worker said of its models."""


PARTS: web.AppKey[Parts] = web.AppKey("parts", Parts)


def parts_of(request: web.Request) -> Parts:
    """The parts behind a request."""
    return request.app[PARTS]
