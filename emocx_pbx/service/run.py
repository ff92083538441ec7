"""Runs the controller: opens what it needs, starts every part, and stops them in order."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import structlog

from emocx_pbx.observe.descriptors import raise_descriptor_limit
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.controller import Service
from emocx_pbx.service.forgetting import forget_erased_elsewhere, forget_old_calls
from emocx_pbx.service.notify import Supervisor
from emocx_pbx.service.status import StatusDoor, socket_path, status_of
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Time that an orderly stop gives taps to flush and rows to be written.
STOP_DEADLINE_S = 5.0


async def serve(
    settings: Settings,
    on_ready: Callable[[int], None] | None = None,
    read_again: Callable[[], Settings] | None = None,
    supervisor: Supervisor | None = None,
) -> None:
    """Run the controller until SIGTERM or SIGINT; SIGHUP reloads settings, policy and models.

    Args:
        settings: as read by `settings.load`.
        on_ready: told the HTTP port once everything listens.
        read_again: reads the settings at SIGHUP as they were read at first; None: they stay.
        supervisor: systemd, where it started us.

    Raises:
        SettingsError, StoreError: before anything listens.
    """
    supervisor = supervisor or Supervisor()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    raise_descriptor_limit()
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.store_place(), settings.webhooks)
        stack.push_async_callback(store.close)
        metrics = Metrics()
        tasks = await stack.enter_async_context(Tasks(metrics.count))
        service = Service(settings, store, tasks, metrics)
        await store.in_force.put_rubric(service.rubric)
        await service.remember_call_backs()
        await store.reviews.lose_trainings()
        reread = read_again or (lambda: service.settings)
        loop.add_signal_handler(signal.SIGHUP, service.reloading.everything, reread)
        # Callers first: they do not wait for pages.
        await service.agi.start()
        path = socket_path(settings.store_path())
        status = StatusDoor(path, partial(status_of, service, version("emocx-pbx"), time.time()))
        await status.start()
        stack.push_async_callback(status.stop)
        listening: asyncio.Future[int] = loop.create_future()
        serving = tasks.keep(partial(service.web.run, listening), name="web")
        if service.cluster:
            await service.cluster.start()
            stack.push_async_callback(service.cluster.stop)
        pool = tasks.create_task(service.pool.start(), name="pool")
        ledger = tasks.keep(service.ledger.run, name="ledger")
        sender = tasks.keep(service.sender.run, name="sender")
        for side in service.pbxes:
            side.start()
        learning = tasks.keep(service.lines.run, name="lines")
        forgetting = tasks.keep(partial(forget_old_calls, store, service.in_force), name="forgetting")
        erasing = tasks.keep(
            partial(forget_erased_elsewhere, store, service.journeys), name="erased elsewhere"
        )
        port = await listening
        log.info("serving", key="service.up", http=port, agi=settings.agi.port)
        if on_ready:
            on_ready(port)
        supervisor.tell("READY=1")
        own = (serving, ledger, sender, learning, forgetting, erasing)
        beating = tasks.keep(
            partial(
                supervisor.keep_telling,
                service.health.words,
                lambda: (*own, *service.pbxes.vital, *service.pool.keepers),
            ),
            name="systemd",
        )
        await stop.wait()
        beating.cancel()
        supervisor.tell("STOPPING=1")
        log.info("stopping", key="service.stopping")
        # What asks us first, then taps (their last readings are still graded), then the rest.
        await service.agi.stop()
        await service.web.stop()
        serving.cancel()
        await service.pbxes.stop()
        pool.cancel()
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await service.pool.stop()
        except TimeoutError:
            log.warning("workers did not stop in time", key="pool.stop_late")
        ledger.cancel()
        await asyncio.gather(ledger, return_exceptions=True)
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await service.ledger.drain()
        except TimeoutError:
            log.error("changes of calls not written", key="ledger.unwritten", count=len(service.ledger))
        sender.cancel()
