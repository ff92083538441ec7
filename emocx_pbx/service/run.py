"""Runs the controller: as long as it is wanted, one life after another."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from typing import Final

import structlog

from emocx_pbx.errors import EmocxError
from emocx_pbx.observe.descriptors import raise_descriptor_limit
from emocx_pbx.service.life import Life
from emocx_pbx.service.notify import Supervisor
from emocx_pbx.settings.settings import Settings

log = structlog.get_logger()

#: Between tries to begin anew.
AGAIN_S: Final = 1.0


async def serve(
    settings: Settings,
    on_ready: Callable[[int], None] | None = None,
    read_again: Callable[[], Settings] | None = None,
    supervisor: Supervisor | None = None,
    *,
    sending: bool = True,
) -> None:
    """Run the controller until SIGTERM or SIGINT; SIGHUP reloads settings, policy and models.

    On a database that several share it stands by for each PBX until it has its lease. When others took over
    all that it had, all parts are ended at once and begun anew, as after a crash, to stand by again.

    Args:
        settings: as read by `settings.load`.
        on_ready: told the HTTP port once everything listens.
        read_again: reads the settings at SIGHUP as they were read at first; None: they stay.
        supervisor: systemd, where it started us.
        sending: whether it delivers webhooks itself.

    Raises:
        SettingsError, StoreError: before anything listens for the first time.
    """
    supervisor = supervisor or Supervisor()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    raise_descriptor_limit()
    lives = 0
    while True:
        life = Life(settings, read_again, supervisor, stop, sending=sending)
        try:
            await life.run(on_ready)
        except EmocxError as error:
            if not lives or stop.is_set():
                raise
            log.error("could not start afresh, trying again", key="service.again", why=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(AGAIN_S):
                    await stop.wait()
        else:
            settings, on_ready = life.settings, None
        if stop.is_set():
            return
        lives += 1
