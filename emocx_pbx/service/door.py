"""The door on a PBX: takes the dialplan's FastAGI requests on the loopback address, and asks the controllers.

`AGI()` to a host that drops packets takes 2 s whatever the dialplan's time limit is; to 127.0.0.1 it never
does. The door keeps no state: it reads the caller's variables, asks over NATS, and sets what is answered.
While NATS is unreachable, a worker on the same host decides if there is one; otherwise the dialplan's
defaults stand at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Final, cast

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.call_ids import PBX_NAME
from emocx_pbx.dispatch.door_messages import BY, VARIABLES, AnsweredToDoor, AskedAtDoor, NotDecided
from emocx_pbx.errors import EmocxError, PeerUnavailable
from emocx_pbx.observe.heap import keep_for_good
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.settings.settings import AgiSettings
from emocx_pbx.wire.bus import Bus
from emocx_pbx.wire.link import Link

log = structlog.get_logger()

#: Seconds that the controller acting for the PBX has to itself; then any other is asked as well.
ALONE_S: Final = 0.4
#: Seconds without an answer from any controller, after which a worker on this host is asked as well.
LOCAL_S: Final = 0.8
#: Requests that a worker decides on its own; speech needs the controller that knows of the question.
BY_ONE_ALONE: Final = frozenset({"/route", "/check"})
#: Sockets of the workers on this host.
WORKERS: Final = "worker-*.sock"
#: Seconds for reading and setting variables, out of the time that the dialplan waits.
MARGIN_S: Final = 0.2
#: Seconds to wait for the first connection; meanwhile requests are taken, and the dialplan's defaults stand.
CONNECT_S: Final = 1.0

_ANSWER: Final = msgspec.msgpack.Decoder(AnsweredToDoor)
_BESIDE: Final = msgspec.msgpack.Decoder(AnsweredToDoor | NotDecided)
_LIFE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PBX: Final = re.compile(PBX_NAME)


class Door:
    """Answers the requests of the calls on one PBX."""

    def __init__(self, bus: Bus, deadline_s: float, local: Path | None = None) -> None:
        """Prepare.

        Args:
            bus: the connection.
            deadline_s: seconds for an answer.
            local: folder with the sockets of this host's workers, which decide while NATS is unreachable;
                None: there are none.
        """
        self._bus, self._deadline_s, self._local = bus, deadline_s, local

    async def answer(self, request: AgiRequest) -> Mapping[str, str]:
        """The variables to set.

        Raises:
            PeerUnavailable: no controller answers; the dialplan's default stands.
            RefusedError, ProtocolError: the controllers refused the request.
        """
        if not self._bus.up and (self._local is None or request.path not in BY_ONE_ALONE):
            raise PeerUnavailable("no connection to NATS")
        variables = await request.get_variables(VARIABLES)
        asked = AskedAtDoor(request.env, variables, uuid.uuid4().hex)
        pbx = request.pbx
        if pbx and not _PBX.fullmatch(pbx):
            raise PeerUnavailable(f"EMOCX_PBX is not a PBX name: {pbx[:40]!r}")
        if request.path == "/heard":
            # Only the controller that was told of the question has its answer.
            by = await request.get_variable(BY)
            if not _LIFE.fullmatch(by):
                raise PeerUnavailable("no controller knows this question")
            return (await self._ask(subjects.spoken_answers(by), asked)).variables
        answer = await self._first(subjects.decide(pbx), asked, request.path in BY_ONE_ALONE)
        return {**({BY: answer.by} if request.path == "/listen" else {}), **answer.variables}

    async def _ask(self, subject: str, asked: AskedAtDoor) -> AnsweredToDoor:
        return await self._bus.ask(subject, asked, _ANSWER, self._deadline_s)

    async def _first(self, subject: str, asked: AskedAtDoor, by_one_alone: bool) -> AnsweredToDoor:
        """The answer of the acting controller; if it is gone or slow, of whichever answers first.

        As a last resort, or at once without NATS, the answer of a worker on this host.
        """
        loop = asyncio.get_running_loop()
        asking = {loop.create_task(self._ask(subject, asked))}
        more: list[tuple[float, Coroutine[None, None, AnsweredToDoor]]] = [
            (ALONE_S, self._ask(subjects.DECIDE, asked))
        ]
        if self._local is not None and by_one_alone:
            more.append((LOCAL_S, self._ask_beside(asked, self._local)))
        began, why = loop.time(), cast(BaseException, PeerUnavailable("no controller answers"))
        try:
            while asking or more:
                wait_s = max(0.0, began + more[0][0] - loop.time()) if more else None
                done, asking = (
                    await asyncio.wait(asking, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
                    if asking
                    else (set(), asking)
                )
                for task in done:
                    if (error := task.exception()) is None:
                        return task.result()
                    why = error
                # On to the next: the time is up, or there is nobody left to wait for.
                if more and (not asking or loop.time() - began >= more[0][0]):
                    asking.add(loop.create_task(more.pop(0)[1]))
            raise why
        finally:
            for _, never_asked in more:
                never_asked.close()
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def _ask_beside(self, asked: AskedAtDoor, folder: Path) -> AnsweredToDoor:
        """The answer of the first worker on this host to give one."""
        why = f"no worker of this host listens in {folder}"
        for path in _sockets(folder):
            try:
                reader, writer = await asyncio.open_unix_connection(path)
            except OSError as error:
                why = f"{path}: {error.strerror or error}"
                continue
            link = Link(reader, writer, _BESIDE)
            try:
                link.send(asked)
                answer = await link.receive()
            finally:
                await link.close()
            if isinstance(answer, AnsweredToDoor):
                return answer
            why = answer.why if answer else f"{path}: hung up"
        raise PeerUnavailable(why)


def _sockets(folder: Path) -> list[Path]:
    """Quick: such folders are in memory."""
    return sorted(folder.glob(WORKERS))


async def keep_door(
    agi: AgiSettings,
    bus: Bus,
    asterisk_hosts: Sequence[str],
    on_ready: Callable[[int], None] | None = None,
    local: Path | None = None,
) -> None:
    """Answer until SIGTERM or SIGINT.

    Args:
        agi: where to listen, and how long an answer may take.
        bus: the connection; not started yet.
        asterisk_hosts: addresses that may ask as well.
        on_ready: gets the port once it is open.
        local: folder with the sockets of this host's workers.

    Raises:
        SettingsError: the port can't be opened.
        PeerUnavailable: a certificate can't be read.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    server = AgiServer(
        agi,
        Door(bus, agi.deadline_s, local).answer,
        margin_s=MARGIN_S,
        allow=AllowList(asterisk_hosts, agi.allow),
    )
    # Callers first: until there is a connection, the dialplan's defaults stand at once.
    await server.start()
    try:
        await bus.start(CONNECT_S)
        keep_for_good()
        log.info("door open", key="door.up", agi=server.port, nats=bus.up)
        if on_ready:
            on_ready(server.port)
        await stop.wait()
    finally:
        with contextlib.suppress(EmocxError):
            await server.stop()
        await bus.close()
