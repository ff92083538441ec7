"""A worker's life: load, listen, obey the controller, and end in order."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable
from typing import Final

import structlog

from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.messages import NoPort, Shutdown, StandsBy, ToWorker
from emocx_pbx.analysis.worker.worker import Worker
from emocx_pbx.errors import ProtocolError
from emocx_pbx.observe.heap import keep_for_good
from emocx_pbx.settings.binding import cannot_listen
from emocx_pbx.wire.link import Ends
from emocx_pbx.wire.message import BadMessage

log = structlog.get_logger()

#: Exit status when the port is taken.
NO_PORT: Final = 4


async def _obey_one(worker: Worker, link: Ends[ToWorker]) -> bool:
    """Act on one message; False when there is nothing more to do. No message ends the worker."""
    try:
        message = await link.receive()
        if message is None or isinstance(message, Shutdown):
            return False
        worker.take(message)
    except BadMessage as error:
        log.error("message refused", key="worker.bad_message", why=str(error))
        worker.count("messages_refused")
    except ProtocolError:
        raise
    except Exception:
        # The outermost loop of messages: taps go on whatever one of them does.
        log.exception("message not handled", key="worker.message_failed")
        worker.count("messages_failed")
    return True


async def serve(
    config: WorkerConfig, link: Ends[ToWorker], steady: Callable[[], float], alone: bool = False
) -> int:
    """Run a worker until Shutdown, SIGTERM or the end of the link; the process's exit status.

    Args:
        config: what it hears, and how.
        link: to whoever it works for.
        steady: Unix seconds that never jump: what is stamped by `now`, and measured by `clock`.
        alone: no controller of this host started it, so that Ctrl-C at its terminal ends it.
    """
    worker = Worker(config, link, steady)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    # Ctrl-C at a terminal reaches the whole group; the controller decides about the end.
    loop.add_signal_handler(signal.SIGINT, stop.set if alone else lambda: None)
    status = 0

    async def prepare() -> None:
        nonlocal status
        await worker.load()
        standby = not worker.placed.is_set()
        if standby:
            await worker.load_late()
            await worker.measure()
            worker.send(StandsBy())
            await worker.placed.wait()
        try:
            await worker.server.start(worker.config.port)
        except OSError as error:
            bind, port = worker.server.where.bind, worker.config.port
            why = str(cannot_listen("analysis.bind", "analysis.base_port", bind, port, error))
            log.error("worker can't listen", key="worker.no_port", port=port, why=why)
            worker.send(NoPort(why))
            status = NO_PORT
            stop.set()
            return
        keep_for_good()
        worker.send(worker.ready())
        if not standby:
            await worker.measure()
            await worker.load_late()
        # Loading is no load to steer by.
        await worker.steer()

    async def hear_words() -> None:
        await worker.placed.wait()  # a spare hears none
        await worker.scribe.run()

    async def obey() -> None:
        try:
            while await _obey_one(worker, link):
                pass
        except ProtocolError as error:
            log.critical(
                "the controller can't be understood, giving up", key="worker.garbled", why=str(error)
            )
        finally:
            stop.set()

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(lane.run()) for lane in worker.lanes]
            tasks += [group.create_task(work()) for work in (prepare, obey, worker.report)]
            tasks.append(group.create_task(hear_words()))
            await stop.wait()
            await worker.stop()
            for task in tasks:
                task.cancel()
    finally:
        for lane in worker.lanes:
            lane.close()
        await link.close()
    return status
