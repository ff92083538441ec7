"""The FastAGI server: a request's handler answers with channel variables, or nothing is set in time.

The caller waits in the dialplan meanwhile, and Asterisk has no answer timeout of its own; so every
request ends by a deadline, and whatever goes wrong leaves the dialplan's own defaults standing.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import structlog

from emocx_pbx.errors import EmocxError, PeerUnavailable, ProtocolError, RefusedError
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.protocol import (
    MAX_OPENING,
    MAX_OPENING_LINES,
    MAX_REPLY,
    Reply,
    ReplyReader,
    arguments,
    get_command,
    marked_values,
    parse_opening,
    query,
    safe_value,
    script_path,
    set_commands,
)
from emocx_pbx.settings.binding import cannot_listen
from emocx_pbx.settings.settings import AgiSettings

log = structlog.get_logger()

OPENING_S: Final = 1.0
"""Asterisk sends its opening block at once."""
SETTING_S: Final = 0.5
"""Time to set the answered variables: some milliseconds."""

Handler = Callable[["AgiRequest"], Awaitable[Mapping[str, str]]]


class CallerGone(PeerUnavailable):
    """The caller hung up, or Asterisk closed the connection."""


class AgiRequest:
    """One call's request from the dialplan."""

    def __init__(self, env: dict[str, str], channel: _Channel, peer: str = "", ours: str = "") -> None:
        self._channel = channel
        self.peer, self.ours = peer, ours
        """Addresses of who asks, and to which they connected; empty: not known."""
        self.question = ""
        """Names it where several may be asked the same; empty: nobody else is."""
        self.env = env
        """All agi_ variables, keys as sent (`agi_channel`, `agi_callerid`, ...)."""
        self.path = script_path(env)
        """Such as `/route`."""
        self.args = arguments(env)
        """The arguments of the dialplan's AGI()."""
        self.uniqueid = env.get("agi_uniqueid", "")
        """The channel's Uniqueid, unique on its PBX."""
        self.pbx = query(env).get("pbx", "")
        """Name of the PBX, as its dialplan says (EMOCX_PBX); empty: it says nothing."""

    async def get_variable(self, name: str) -> str:
        """A channel variable or function, such as `EMOCX_QUERY` or `CALLERID(num)`; empty if it is unset.

        The handler is cancelled here if the caller hangs up meanwhile.

        Raises:
            ProtocolError: no such kind of name, or Asterisk answered out of order.
            RefusedError: Asterisk did not take the command (the channel may be dead).
        """
        return (await self.get_variables((name,)))[name]

    async def get_variables(self, names: Sequence[str]) -> dict[str, str]:
        """Several of them in one round trip, by name.

        Raises:
            ProtocolError, RefusedError: as `get_variable`.
        """
        mark = secrets.token_hex(8)
        reply = await self._channel.command(get_command(names, mark), mark)
        return dict(zip(names, marked_values(reply, mark, len(names)), strict=True))


class _Channel:
    """The connection after its opening: one command at a time, replies, and the caller's hanging up."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._lock = asyncio.Lock()
        self._owed: deque[tuple[ReplyReader, asyncio.Future[Reply]]] = deque()

    async def command(self, text: str, mark: str | None = None) -> Reply:
        async with self._lock:
            reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
            # Owed also when the handler gives up waiting, so that no reply is taken for the next one's.
            self._owed.append((ReplyReader(mark), reply))
            self._writer.write(text.encode() + b"\n")
            await self._writer.drain()
            answer = await reply
        if answer.code != 200:
            raise RefusedError(f"FastAGI: {answer.code} to {text.split(' ', 1)[0]}")
        return answer

    async def listen(self) -> None:
        """Read replies until the connection or the caller is gone.

        Raises:
            ProtocolError: Asterisk's reply makes no sense.
        """
        while raw := await self._line():
            line = raw.decode("utf-8", "replace").rstrip("\r\n")
            reader, waiting = self._owed[0] if self._owed else (None, None)
            if line == "HANGUP" and not (reader and reader.inside):
                return
            reply = reader.take(line) if reader else None
            if reply is not None and waiting is not None:
                self._owed.popleft()
                if not waiting.done():
                    waiting.set_result(reply)

    async def _line(self) -> bytes:
        try:
            return await self._reader.readline()
        except ValueError:
            raise ProtocolError("FastAGI: line too long") from None


class AgiServer:
    """Listens for Asterisk's `AGI(agi://...)`."""

    def __init__(
        self,
        section: AgiSettings,
        handler: Handler,
        *,
        margin_s: float = 0.0,
        deadlines: Mapping[str, float] | None = None,
        count: Callable[[str], None] = lambda name: None,
        max_requests: int = 256,
        allow: AllowList | None = None,
    ) -> None:
        """Prepare; `start` listens.

        Args:
            section: where to listen (port 0: any free one, then found in `port` after `start`), and the time
                from the opening of the connection to the handler's answer.
            handler: answers a request with the variables to set, in order (let one that vouches for
                the others be the last); it is cancelled when the caller hangs up or time is over.
            margin_s: added to the section's deadline, for a handler that keeps it by itself.
            deadlines: other deadlines for paths that need them, such as `{"/heard": 3.0}`.
            count: adds one to a counter: agi_requests, agi_late, agi_failed, agi_malformed, agi_hangups,
                agi_crowded, agi_refused.
            max_requests: connections beyond these are closed at once.
            allow: who may ask; None: everybody.
        """
        self.host, self.port = section.host, section.port
        self._handler, self._deadlines = handler, dict(deadlines or {})
        self._deadline_s = section.deadline_s + margin_s
        self._count, self._max_requests, self._allow = count, max_requests, allow
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: the port is in use or the address is not ours.
        """
        try:
            self._server = await asyncio.start_server(
                self._accept, self.host, self.port, limit=MAX_REPLY, backlog=256
            )
        except OSError as error:
            raise cannot_listen("agi.host", "agi.port", self.host, self.port, error) from error
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end every request; their calls go on in the dialplan."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._tasks) >= self._max_requests:
            log.warning("too many AGI requests", key="agi.crowded")
            self._count("agi_crowded")
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer), name="agi request")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        began = asyncio.get_running_loop().time()
        request: AgiRequest | None = None
        try:
            if not await self._may_ask(writer):
                return
            env = await _read_opening(reader, min(OPENING_S, self._deadline_s))
            if env is None:
                log.debug("AGI port probed", key="agi.probed")
                return
            self._count("agi_requests")
            channel = _Channel(reader, writer)
            request = AgiRequest(env, channel, *_addresses(writer))
            ends_at = began + self._deadlines.get(request.path, self._deadline_s)
            await self._answer(request, channel, ends_at)
        except CallerGone:
            # The caller's right, not a fault.
            log.debug("caller hung up during an AGI request", key="agi.hangup")
            self._count("agi_hangups")
        except TimeoutError:
            self._fault("agi_late", "out of time", request)
        except ProtocolError as error:
            self._fault("agi_malformed", str(error), request)
        except EmocxError as error:
            self._fault("agi_failed", str(error), request)
        except ConnectionError:
            log.debug("AGI connection reset", key="agi.reset")
        except Exception:
            # The outermost loop of a request: the call goes on with the dialplan's defaults.
            log.exception("AGI request failed", key="agi.failed", call_id=request and request.uniqueid)
            self._count("agi_failed")
        finally:
            writer.close()

    async def _may_ask(self, writer: asyncio.StreamWriter) -> bool:
        if self._allow is None:
            return True
        peer, ours = _addresses(writer)
        if await self._allow.allows(peer, ours):
            return True
        log.warning("AGI request from an address that may not ask", key="agi.refused", peer=peer)
        self._count("agi_refused")
        return False

    async def _answer(self, request: AgiRequest, channel: _Channel, ends_at: float) -> None:
        """Run the handler until it answers, the caller is gone or time is over; then set its variables."""
        listening = asyncio.create_task(channel.listen(), name="agi replies")
        handling = asyncio.ensure_future(self._handler(request))
        setting: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout_at(ends_at):
                await asyncio.wait({listening, handling}, return_when=asyncio.FIRST_COMPLETED)
            if not handling.done():
                _raise_gone(listening)
            variables = handling.result()
            setting = asyncio.create_task(_set_all(channel, variables, request.uniqueid), name="agi answer")
            async with asyncio.timeout(SETTING_S):
                await asyncio.wait({listening, setting}, return_when=asyncio.FIRST_COMPLETED)
            if not setting.done():
                _raise_gone(listening)
            setting.result()
        finally:
            parts = [task for task in (listening, handling, setting) if task is not None]
            for part in parts:
                part.cancel()
            await asyncio.gather(*parts, return_exceptions=True)

    def _fault(self, counter: str, reason: str, request: AgiRequest | None) -> None:
        log.warning(
            "AGI request without an answer; the dialplan's defaults stand",
            key=counter.replace("_", ".", 1),
            why=reason,
            path=request.path if request else None,
            call_id=request.uniqueid if request else None,
        )
        self._count(counter)


def _addresses(writer: asyncio.StreamWriter) -> tuple[str, str]:
    """The peer's, and ours."""
    peer, ours = (writer.get_extra_info(name) or [""] for name in ("peername", "sockname"))
    return str(peer[0]), str(ours[0])


def _raise_gone(listening: asyncio.Task[None]) -> None:
    listening.result()  # a ProtocolError or ConnectionError of its own
    raise CallerGone


async def _set_all(channel: _Channel, variables: Mapping[str, str], call_id: str) -> None:
    for name, value in variables.items():
        if safe_value(value) != value:
            log.warning(
                "value made safe for the dialplan", key="agi.value_changed", call_id=call_id, name=name
            )
    for command in set_commands(variables):
        await channel.command(command)


async def _read_opening(reader: asyncio.StreamReader, deadline_s: float) -> dict[str, str] | None:
    """The opening block; None for a port probe, which says nothing or leaves in the middle.

    Raises:
        ProtocolError: it is not an AGI opening, is too long, or was not complete in time.
    """
    lines: list[str] = []
    size = 0
    try:
        async with asyncio.timeout(deadline_s):
            while True:
                raw = await reader.readline()
                if not raw.endswith(b"\n"):
                    return None
                size += len(raw)
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                if not line:
                    return parse_opening(lines)
                lines.append(line)
                if not line.startswith("agi_"):
                    raise ProtocolError("FastAGI: opening with a line that is not an agi_ variable")
                if size > MAX_OPENING or len(lines) > MAX_OPENING_LINES:
                    raise ProtocolError("FastAGI: opening too long")
    except TimeoutError:
        if not lines:
            return None
        raise ProtocolError(f"FastAGI: opening not complete within {deadline_s:g} s") from None
    except ConnectionError:
        return None
    except ValueError:
        raise ProtocolError("FastAGI: line too long") from None
