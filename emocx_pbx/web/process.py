"""The web process: `python -m emocx_pbx.web.process --fd N --config -`; pages, API, chat, feed and metrics.

Started by the controller, so that nothing on HTTP can slow a caller's decision. It reads the store itself,
sends requests to the controller as messages of `web.messages` on the inherited socket N, and ends when the
other end of that closes, however the controller ended.
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
from typing import Final

import msgspec
import structlog

from emocx_pbx.errors import EmocxError, PeerUnavailable
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.observe.descriptors import raise_descriptor_limit
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.binding import cannot_listen
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.store.standard_sums import standard_sums
from emocx_pbx.web.app import create_app
from emocx_pbx.web.doctor import DOCTOR
from emocx_pbx.web.listening import listen
from emocx_pbx.web.messages import CannotListen, Listening, ToWeb, WebConfig
from emocx_pbx.web.remote import RemoteController, RemoteDeeds, RemoteHealth, Tally
from emocx_pbx.web.render import prepare_pages
from emocx_pbx.web.serving import Serving
from emocx_pbx.wire.link import Link

log = structlog.get_logger()

#: Seconds between reports to the controller.
REPORT_S: Final = 1.0
#: Seconds within which the controller must report its state.
BEGIN_S: Final = 10.0
#: Niceness: callers come before pages if both want the same core.
NICE: Final = 10


def main(argv: list[str] | None = None) -> int:
    """Serve HTTP until the controller says Stop or is gone; returns the exit status."""
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
    controller = RemoteController(
        link, settings.agi.deadline_s, max(pbx.action_timeout_s for pbx in settings.each_pbx())
    )
    running = asyncio.create_task(controller.run(), name="controller")
    loop.add_signal_handler(signal.SIGTERM, running.cancel)
    try:
        async with asyncio.timeout(BEGIN_S):
            await controller.began.wait()
        await _serve(settings, config.life, controller, running)
    except TimeoutError:
        log.error("the controller does not report its state", key="web.orphan")
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


async def _serve(
    settings: Settings, life: str, controller: RemoteController, running: asyncio.Task[None]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        store = await Store.open(settings.store_place(), settings.webhooks, reading=True)
        stack.push_async_callback(store.close)
        tally = Tally()
        deeds = RemoteDeeds(controller, store.receivers)
        live, health = LiveFeed(controller.mirror, life, time.time), RemoteHealth(controller)
        serving = Serving(SettingsInForce(settings), store, controller, live, deeds, health, tally)
        controller.settings_changed.subscribe(serving.take_over)
        app = create_app(serving.parts)
        listener = await listen(app, settings, store.accounts, controller, raise_descriptor_limit())
        stack.push_async_callback(listener.stop)
        controller.tell(Listening(listener.port))
        os.nice(NICE)  # only now: a busy machine must not keep it from starting
        log.info("web up", key="web.up", http=listener.port)
        beside = [
            asyncio.create_task(_report(controller, tally, serving.live), name="report"),
            asyncio.create_task(serving.reread_receivers(), name="receivers"),
            asyncio.create_task(app[DOCTOR].keep_looking(), name="doctor"),
            asyncio.create_task(store.lists.sums.keep_fresh(lambda: standard_sums(time.time())), name="sums"),
            asyncio.create_task(store.lists.queue_days.keep_fresh(time.time), name="queue days"),
        ]
        preparing = asyncio.create_task(prepare_pages(), name="pages")
        try:
            await asyncio.wait([running, *beside], return_when=asyncio.FIRST_COMPLETED)
        finally:
            serving.live.stop()
            for task in (*beside, preparing):
                task.cancel()
            await asyncio.gather(*beside, preparing, return_exceptions=True)


async def _report(controller: RemoteController, tally: Tally, live: LiveFeed) -> None:
    """Report what was counted, and that we are alive, until the controller is gone."""
    with contextlib.suppress(PeerUnavailable):
        while True:
            await asyncio.sleep(REPORT_S)
            controller.tell(tally.taken(live.watchers))


if __name__ == "__main__":
    sys.exit(main())
