"""Runs the controller for as long as it is wanted, one life after another."""

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

#: Seconds between attempts to start a new life.
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

    On a shared database it stands by for each PBX until it holds the lease. Once others have taken over all
    of its PBXes, all parts are ended at once and started again, as after a crash, to stand by again.

    Args:
        settings: as read by `settings.load`.
        on_ready: gets the HTTP port once everything listens.
        read_again: rereads the settings at SIGHUP, the way they were first read; None: they stay.
        supervisor: systemd, if it started us.
        sending: whether this process delivers webhooks itself.

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
