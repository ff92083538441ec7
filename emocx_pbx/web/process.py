"""The web process: `python -m emocx_pbx.web.process --fd N --config -`; pages, API, chat, feed and metrics.

Started by the controller, so that nothing on HTTP can slow a caller's decision. It reads the store itself,
asks the controller by the messages of `web.messages` on the inherited socket N, and ends when the other
end of that closes, however the controller ended.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from emocx_pbx.chat.desk import Desk
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.errors import EmocxError, PeerUnavailable, StoreError
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.observe.descriptors import raise_descriptor_limit
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.binding import cannot_listen
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.web.app import create_app
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.listening import listen
from emocx_pbx.web.messages import CannotListen, Listening, ToWeb, WebConfig
from emocx_pbx.web.parts import Parts
from emocx_pbx.web.remote import Controller, RemoteCallBack, RemoteHealth, Tally
from emocx_pbx.wire.link import Link

log = structlog.get_logger()

#: Between reports to the controller.
REPORT_S: Final = 1.0
#: Time in which the controller tells of itself.
BEGIN_S: Final = 10.0
#: Callers come before pages, where both want the same core.
NICE: Final = 10


def main(argv: list[str] | None = None) -> int:
    """Serve HTTP until the controller says Stop or is gone; the exit status."""
    parser = argparse.ArgumentParser(prog="emocx-pbx-web")
    parser.add_argument("--fd", type=int, required=True, help="inherited socket to the controller")
    parser.add_argument("--config", required=True, help="-: WebConfig as JSON on stdin")
    options = parser.parse_args(argv)
    config = msgspec.json.decode(sys.stdin.buffer.read(), type=WebConfig)
    configure(config.settings.log)
    return asyncio.run(_main(options.fd, config))


async def _main(fd: int, config: WebConfig) -> int:
    settings = config.settings
    loop = asyncio.get_running_loop()
    # Ctrl-C at a terminal reaches the whole group; the controller decides about the end.
    loop.add_signal_handler(signal.SIGINT, lambda: None)
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=fd))
    link: Link[ToWeb] = Link(reader, writer, msgspec.msgpack.Decoder(ToWeb))
    controller = Controller(link, settings.agi.deadline_s, settings.asterisk.action_timeout_s)
    running = asyncio.create_task(controller.run(), name="controller")
    loop.add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        async with asyncio.timeout(BEGIN_S):
            await controller.began.wait()
        await _serve(settings, config.life, controller, running)
    except TimeoutError:
        log.error("the controller does not tell of itself", key="web.orphan")
        return 1
    except (EmocxError, OSError) as error:
        with contextlib.suppress(PeerUnavailable):
            controller.tell(CannotListen(_why(error, settings)))
        return 2
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await link.close()
    return 0


def _why(error: EmocxError | OSError, settings: Settings) -> str:
    if isinstance(error, OSError):
        http = settings.http
        return str(cannot_listen("http.host", "http.port", http.host, http.port, error))
    return str(error)


async def _serve(settings: Settings, life: str, controller: Controller, running: asyncio.Task[None]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.store_path(), settings.webhooks, reading=True)
        stack.push_async_callback(store.close)
        stale = asyncio.Event()
        controller.on_receivers = stale.set
        controller.read_receivers = store.receivers.load
        tally = Tally()
        live = LiveFeed(controller.mirror, life, time.time)
        current = [settings]
        parts = _parts(lambda: current[0], store, controller, live, tally)
        controller.on_moved = parts.chat.watch
        controller.on_settings = lambda new: _take_over(new, current, store, parts.chat)
        app = create_app(parts)
        door = await listen(app, settings, store.accounts, controller, raise_descriptor_limit())
        stack.push_async_callback(door.stop)
        controller.tell(Listening(door.port))
        os.nice(NICE)  # only now: a busy machine must not keep it from starting
        log.info("web up", key="web.up", http=door.port)
        beside = [
            asyncio.create_task(_report(controller, tally, live), name="report"),
            asyncio.create_task(_reread_receivers(store, stale), name="receivers"),
            asyncio.create_task(app[DOCTOR].keep_looking(), name="doctor"),
        ]
        try:
            await asyncio.wait([running, *beside], return_when=asyncio.FIRST_COMPLETED)
        finally:
            live.stop()
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)


async def _reread_receivers(store: Store, stale: asyncio.Event) -> None:
    while True:
        await stale.wait()
        stale.clear()
        try:
            await store.receivers.load()
        except StoreError as error:
            log.error("receivers not read again", key="web.receivers_unread", why=str(error))


def _take_over(settings: Settings, current: list[Settings], store: Store, chat: Desk) -> None:
    """What the controller took over, on our side: pages, receivers that new events go to, chat, logs."""
    before, current[0] = current[0], settings
    store.receivers.settings = settings.webhooks  # the controller, who told us, need not be told
    chat.take_over(settings.chat)
    if settings.log != before.log:
        configure(settings.log)


def _parts(
    settings: Callable[[], Settings], store: Store, controller: Controller, live: LiveFeed, tally: Tally
) -> Parts:
    call_back = RemoteCallBack(controller, uuid.uuid4)
    chat = Desk(
        settings().chat,
        controller,
        call_back,
        Dialling(settings().dialling, time.monotonic).on,
        lambda: controller.state.policy.default_queue,
        lambda: controller.state.queues,
        time.time,
        lambda: uuid.uuid4().hex,
        tally.count,
    )
    return Parts(
        settings_now=settings,
        store=store,
        doors=controller,
        call_back=call_back,
        deeds=controller,
        chat=chat,
        live=live,
        health=RemoteHealth(controller),
        metrics=tally,
        scrape=controller.scrape,
        policy=lambda: controller.state.policy,
        queues=lambda: controller.state.queues,
        reload=controller.reload,
        clock=time.time,
        workers=lambda: controller.state.workers,
    )


async def _report(controller: Controller, tally: Tally, live: LiveFeed) -> None:
    """Tell what was counted, and that we live, until the controller is gone."""
    with contextlib.suppress(PeerUnavailable):
        while True:
            await asyncio.sleep(REPORT_S)
            controller.tell(tally.taken(live.watchers))


if __name__ == "__main__":
    sys.exit(main())
