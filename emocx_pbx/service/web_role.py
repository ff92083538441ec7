"""`serve --role web`: pages and API on a host of their own, and nothing else.

Any number may run: records are in the shared database, and live state comes from the controllers over NATS.
Imported only for this role.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import signal
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from typing import Final

import msgspec
import structlog
from aiohttp import web

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.analysis.cluster.plan import login_of, new_life, node_of
from emocx_pbx.check.process import findings_of
from emocx_pbx.errors import EmocxError, SettingsError
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.observe.descriptors import raise_descriptor_limit
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.notify import Supervisor
from emocx_pbx.service.opening import follow_receivers, opened
from emocx_pbx.settings.binding import cannot_listen
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.reload import difference
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.store.standard_sums import standard_sums
from emocx_pbx.web.app import create_app
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.identity.sessions import THROTTLE
from emocx_pbx.web.limited import LIMITS
from emocx_pbx.web.listening import HttpServer, listen
from emocx_pbx.web.nodes.controllers import Controllers
from emocx_pbx.web.nodes.messages import NodeBeat
from emocx_pbx.web.nodes.serving import NodeDeeds, NodeHealth
from emocx_pbx.web.nodes.uses import SharedUses
from emocx_pbx.web.render import prepare_pages
from emocx_pbx.web.serving import Serving
from emocx_pbx.wire.bus import Bus

log = structlog.get_logger()

#: Seconds to wait for the first connection; pages about records are served meanwhile.
CONNECT_S: Final = 2.0
#: Seconds between signs of life to the controllers.
BEAT_S: Final = 0.5

_NODE: Final = msgspec.msgpack.Decoder(NodeBeat)


async def serve_web(
    settings: Settings,
    read_again: Callable[[], Settings] | None = None,
    supervisor: Supervisor | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP takes over those settings that can change while it runs.

    Raises:
        SettingsError: no shared database or no NATS is configured, or the port can't be opened.
        StoreError: the database can't be used.
    """
    if not settings.cluster.servers:
        raise SettingsError("cluster.nats: a web node of its own reaches the controllers over NATS")
    supervisor = supervisor or Supervisor()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        # A web node never migrates: the database would then refuse controllers of the previous version.
        store = await opened(settings, stop, "web", migrating=False)
        if store is None:
            return
        stack.push_async_callback(store.close)
        metrics = Metrics()
        tasks = await stack.enter_async_context(Tasks(metrics.count))
        node = WebNode(settings, store, tasks, metrics)
        stack.push_async_callback(node.bus.close)
        listening = await node.start()
        stack.push_async_callback(listening.stop)
        loop.add_signal_handler(signal.SIGHUP, node.reload, read_again or (lambda: settings))
        supervisor.tell("READY=1")
        log.info("web up", key="web.up", http=listening.port)
        beating = tasks.keep(
            partial(supervisor.keep_telling, node.own.words, lambda: node.vital), name="systemd"
        )
        await stop.wait()
        beating.cancel()
        supervisor.tell("STOPPING=1")
        node.serving.live.stop()


class WebNode:
    """All parts of a web node."""

    def __init__(self, settings: Settings, store: Store, tasks: Tasks, metrics: Metrics) -> None:
        self._store, self._tasks, self._metrics = store, tasks, metrics
        self._node = node_of(settings)
        self._life = new_life(self._node)
        metrics.of_node(self._node, settings.cluster.site, version("emocx-pbx"))
        self.own = HealthBoard(time.time)
        """Parts of this node alone."""
        self.bus = Bus(login_of(settings, "web"), partial(self.own.set, "nats"), metrics.count)
        action_s = max(pbx.action_timeout_s for pbx in settings.each_pbx())
        self.controllers = Controllers(
            self.bus,
            self._life,
            settings.agi.deadline_s,
            action_s,
            tasks.create_task,
            time.monotonic,
            self._measured,
        )
        self._health = NodeHealth(self.own, self.controllers)
        in_force = SettingsInForce(settings)
        live = LiveFeed(
            self.controllers.mirror, secrets.token_hex(4), time.time, away=lambda: self.controllers.away
        )
        deeds = NodeDeeds(self.controllers, store, in_force)
        self.serving = Serving(in_force, store, self.controllers, live, deeds, self._health, metrics)
        self.app: web.Application = create_app(self.serving.parts, check=partial(findings_of, role="web"))
        limits = {f"chat {name}": limit for name, limit in self.serving.chat.limits.items()}
        limits |= {"requests": self.app[LIMITS].limit, "tokens": self.app[THROTTLE].tokens}
        self._uses = SharedUses(self._life, time.time, limits)
        self.vital: list[asyncio.Task[None]] = []
        """Tasks that must run."""

    async def start(self) -> HttpServer:
        """Connect, or keep trying in the background, and listen.

        Raises:
            PeerUnavailable: a certificate can't be read.
            SettingsError: the port can't be opened, or the TLS files can't be used.
        """
        await self.bus.start(CONNECT_S)
        await self.controllers.start()
        await self.bus.hear(subjects.WEB_NODES, _NODE, self._uses.hear)
        keep = self._tasks.keep
        self.vital = [
            keep(self.controllers.run, name="controllers"),
            keep(self._beat, name="beat"),
            keep(partial(follow_receivers, self._store, self.own), name="receivers"),
        ]
        keep(self.app[DOCTOR].keep_looking, name="doctor")
        keep(lambda: self._store.lists.sums.keep_fresh(lambda: standard_sums(time.time())), name="sums")
        keep(lambda: self._store.lists.queue_days.keep_fresh(time.time), name="queue days")
        keep(prepare_pages, name="pages")
        settings, parts = self.serving.in_force.settings, self.serving.parts
        http = settings.http
        try:
            return await listen(
                self.app, settings, self._store.accounts, parts.deeds, raise_descriptor_limit(), link=False
            )
        except OSError as error:
            raise cannot_listen("http.host", "http.port", http.host, http.port, error) from error

    async def _beat(self) -> None:
        """Send signs of life, until cancelled."""
        while True:
            beat = NodeBeat(self._life, self._node, version("emocx-pbx"), self._uses.taken())
            await self.bus.tell(subjects.web_node(self._life), beat)
            await asyncio.sleep(BEAT_S)

    def reload(self, read: Callable[[], Settings]) -> None:
        """Take over those newly read settings that can change while it runs."""
        try:
            found = difference(self.serving.in_force.settings, read())
        except EmocxError as error:
            log.error("settings not taken over", key="reload.refused", why=str(error))
            return
        self.serving.take_over(found.in_force)
        log.info("settings taken over", key="reload.taken", taken=found.taken, restart=found.restart)

    def _measured(self) -> tuple[bytes, str]:
        """The metrics of this node."""
        for name, component in self._health.components().items():
            self._metrics.set("component_up", float(component.up), name)
        self._metrics.set("live_watchers", self.serving.live.watchers)
        return self._metrics.render()
