"""`serve --role sender`: delivers webhooks from a shared database, and does nothing else.

Any number may run, alongside controllers that send too: each delivery is claimed in a way that all can see.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from emocx_pbx.errors import EmocxError
from emocx_pbx.observe.health import HealthBoard
from emocx_pbx.observe.logs import configure
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.notify import Supervisor
from emocx_pbx.service.opening import follow_receivers, opened
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.sender import Sender

log = structlog.get_logger()

#: Seconds between checks for what is due: events are written by other processes.
LOOK_S: Final = 0.5


async def send(
    settings: Settings,
    read_again: Callable[[], Settings] | None = None,
    supervisor: Supervisor | None = None,
) -> None:
    """Deliver until SIGTERM or SIGINT; SIGHUP takes over the settings' receivers and [log].

    Raises:
        SettingsError: there is no database to share, or a receiver's settings are wrong.
        StoreError: the database can't be used.
    """
    supervisor = supervisor or Supervisor()
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    health = HealthBoard(time.time)
    async with contextlib.AsyncExitStack() as stack:
        store = await opened(settings, stop, "sender")
        if store is None:
            return
        stack.push_async_callback(store.close)
        tasks = await stack.enter_async_context(Tasks())
        poster = Poster(Networks(settings.delivery.allow_networks), settings.ca_path())
        sender = Sender(store.outbox, store.receivers.current, poster, poll_s=LOOK_S)
        store.receivers.changes.subscribe(sender.receivers_changed)
        loop.add_signal_handler(signal.SIGHUP, _reload, store, read_again or (lambda: settings))
        sending = tasks.keep(sender.run, name="sender")
        looking = tasks.keep(partial(follow_receivers, store, health), name="receivers")
        supervisor.tell("READY=1")
        log.info("sending webhooks", key="sender.up")
        beating = tasks.keep(
            partial(supervisor.keep_telling, health.words, lambda: (sending, looking)), name="systemd"
        )
        await stop.wait()
        beating.cancel()
        supervisor.tell("STOPPING=1")
        # Deliveries in progress are released, so that others can send them at once.
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


def _reload(store: Store, read: Callable[[], Settings]) -> None:
    try:
        settings = read()
    except EmocxError as error:
        log.error("settings not taken over", key="reload.refused", why=str(error))
        return
    configure(settings.log)
    store.receivers.take_over(settings.webhooks)
    log.info("settings taken over", key="reload.taken")
