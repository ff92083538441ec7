"""The door on a PBX: takes its dialplan's FastAGI requests on its own loopback, and asks the controllers.

`AGI()` to a host that drops packets takes 2 s whatever the guard says; one to 127.0.0.1 never does. The door
keeps nothing: it reads the caller's variables, asks over NATS, and sets what is answered. While NATS is away
a worker on its own host decides, where there is one; else the dialplan's defaults stand at once.
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
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.settings.settings import AgiSettings
from emocx_pbx.wire.bus import Bus
from emocx_pbx.wire.link import Link

log = structlog.get_logger()

#: The controller that acts for a PBX gets so long (s) alone; then any other is asked as well.
ALONE_S: Final = 0.4
#: After so long (s) without any controller's answer a worker of this host is asked as well.
LOCAL_S: Final = 0.8
#: What a worker decides alone; what callers say needs the controller that was told of the question.
BY_ONE_ALONE: Final = frozenset({"/route", "/check"})
#: Sockets of the workers of this host.
WORKERS: Final = "worker-*.sock"
#: For reading and setting variables, of the time that the dialplan waits.
MARGIN_S: Final = 0.2
#: For the first connection; the door takes requests meanwhile, and lets their defaults stand.
CONNECT_S: Final = 1.0

_ANSWER: Final = msgspec.msgpack.Decoder(AnsweredToDoor)
_BESIDE: Final = msgspec.msgpack.Decoder(AnsweredToDoor | NotDecided)
_LIFE: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")
_PBX: Final = re.compile(PBX_NAME)


class Door:
    """Answers the requests of one PBX's calls."""

    def __init__(self, bus: Bus, deadline_s: float, local: Path | None = None) -> None:
        """Prepare.

        Args:
            bus: the connection.
            deadline_s: time for an answer.
            local: folder of the sockets of workers beside it, which decide while NATS is away; None: none do.
        """
        self._bus, self._deadline_s, self._local = bus, deadline_s, local

    async def answer(self, request: AgiRequest) -> Mapping[str, str]:
        """The variables to set.

        Raises:
            PeerUnavailable: no controller answers; the dialplan's default stands.
            RefusedError, ProtocolError: they would not.
        """
        if not self._bus.up and (self._local is None or request.path not in BY_ONE_ALONE):
            raise PeerUnavailable("no connection to NATS")
        variables = {name: await request.get_variable(name) for name in VARIABLES}
        asked = AskedAtDoor(request.env, variables, uuid.uuid4().hex)
        pbx = request.pbx
        if pbx and not _PBX.fullmatch(pbx):
            raise PeerUnavailable(f"EMOCX_PBX is not a PBX name: {pbx[:40]!r}")
        if request.path == "/heard":
            # Who was told of the question has its answer, and nobody else.
            by = await request.get_variable(BY)
            if not _LIFE.fullmatch(by):
                raise PeerUnavailable("no controller knows this question")
            return (await self._ask(subjects.spoken_answers(by), asked)).variables
        answer = await self._first(subjects.decide(pbx), asked, request.path in BY_ONE_ALONE)
        return {**({BY: answer.by} if request.path == "/listen" else {}), **answer.variables}

    async def _ask(self, subject: str, asked: AskedAtDoor) -> AnsweredToDoor:
        return await self._bus.ask(subject, asked, _ANSWER, self._deadline_s)

    async def _first(self, subject: str, asked: AskedAtDoor, by_one_alone: bool) -> AnsweredToDoor:
        """Of the controller that acts; where it is gone or slow, of whichever answers first.

        At last, or at once where there is no NATS, of a worker on this host.
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
                # The next one: as time is over, or as nobody else is left to wait for.
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
        """The first worker of this host that answers."""
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
    """In a moment: such folders are in memory."""
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
        asterisk_hosts: may ask, too.
        on_ready: told the port.
        local: folder of the sockets of workers on this host.

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
    # Callers first: until there is a connection their defaults stand at once.
    await server.start()
    try:
        await bus.start(CONNECT_S)
        log.info("door open", key="door.up", agi=server.port, nats=bus.up)
        if on_ready:
            on_ready(server.port)
        await stop.wait()
    finally:
        with contextlib.suppress(EmocxError):
            await server.stop()
        await bus.close()
