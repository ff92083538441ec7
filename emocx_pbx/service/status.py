"""The state of the running service, for `emocx-pbx status`: gathered in the controller, sent over a socket.

The socket is beside the database, open only to the service's own user (and root). The controller itself
answers, even while the web process is down: whoever connects gets one JSON object; nothing is read.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from emocx_pbx.errors import PeerUnavailable, StoreError
from emocx_pbx.observe.health import Component
from emocx_pbx.settings.receiver_url import shown_url
from emocx_pbx.store.postgres_place import shown_place

if TYPE_CHECKING:
    from emocx_pbx.service.controller import Service

log = structlog.get_logger()

#: Seconds for an answer, on either side.
ANSWER_S: Final = 5.0
#: Connections at a time; a further one is closed.
MAX_TELLINGS: Final = 8
#: Bytes of free space below which the database of a busy day may not fit.
LOW_DISK_BYTES: Final = 1_000_000_000
#: Longest path of a socket that Linux accepts, in bytes.
LONGEST_PATH: Final = 107


class WorkerStatus(msgspec.Struct, frozen=True):
    """An analysis worker."""

    index: int
    pid: int | None
    up: bool
    """Ready, and has sent a message recently."""
    sessions: int
    """Number of taps and questions announced to it."""
    speech_model: str | None = None
    text_model: str | None = None
    transcriber: str | None = None
    problems: tuple[str, ...] = ()
    carries_accurate: int = 0
    """How many calls its core can carry with the accurate model on every window, measured at its start; 0:
    unknown."""
    carries_light: int = 0
    """The same with only the light model."""


class ReceiverStatus(msgspec.Struct, frozen=True):
    """A receiver of webhooks."""

    name: str
    url: str
    """Without secrets."""
    pending: int
    """Number of deliveries that wait."""
    failed: int
    """Number of deliveries that were given up."""
    disabled: str | None
    """Why nothing is sent to it; empty if it is sent to."""


class Status(msgspec.Struct, frozen=True):
    """The whole state."""

    version: str
    asterisk: str
    """Asterisk's version; empty while the link is down."""
    pid: int
    web_pid: int | None
    up_since: float
    """Unix seconds."""
    settings: str
    """The settings file; empty: none."""
    mode: str
    components: Mapping[str, Component]
    calls: Mapping[str, int]
    """Number of calls, by state."""
    workers: tuple[WorkerStatus, ...]
    receivers: tuple[ReceiverStatus, ...]
    database: str
    database_bytes: int
    schema: int
    disk_free_bytes: int

    def problems(self) -> list[str]:
        """What is not in order, one line each."""
        found = [f"{name}: {c.why or 'down'}" for name, c in sorted(self.components.items()) if not c.up]
        found += [f"worker {w.index}: not ready" for w in self.workers if not w.up]
        found += [f"receiver {r.name}: disabled: {r.disabled}" for r in self.receivers if r.disabled]
        if self.disk_free_bytes < LOW_DISK_BYTES:
            found.append(f"disk: {self.disk_free_bytes / 1e9:.1f} GB free for {self.database}")
        return found


def socket_path(database: Path) -> Path:
    """The path of the socket."""
    return database.with_name(f"{database.name}.status")


async def status_of(service: Service, version: str, up_since: float) -> Status:
    """The state of a service now.

    Raises:
        StoreError: the database can't be read.
    """
    settings, store, pool = service.settings, service.store, service.pool
    disabled, counts = await store.outbox.disabled(), await store.outbox.owed()
    path = settings.store_path()
    workers = []
    for index, worker in enumerate(pool.slots):
        ready = worker.ready if worker else None
        stats = worker.stats if worker else None
        workers.append(
            WorkerStatus(
                index,
                worker.pid if worker else None,
                worker is not None and worker.responsive,
                len(worker.uuids) if worker else 0,
                ready.speech_model if ready else None,
                ready.text_model if ready else None,
                ready.transcriber if ready else None,
                tuple(ready.problems) if ready else (),
                stats.carries_accurate if stats else 0,
                stats.carries_light if stats else 0,
            )
        )
    return Status(
        version=version,
        asterisk=", ".join(side.ami.state.version for side in service.pbxes if side.ami.state.version),
        pid=os.getpid(),
        web_pid=service.web.pid,
        up_since=up_since,
        settings=settings.file,
        mode=settings.routing.mode,
        components=service.health.components(),
        calls={str(state): number for state, number in service.board.counts().items()},
        workers=tuple(workers),
        receivers=tuple(
            ReceiverStatus(
                r.name,
                shown_url(r.url),
                counts.get((r.name, "pending"), 0),
                counts.get((r.name, "failed"), 0),
                disabled.get(r.name),
            )
            for r in store.receivers.current()
        ),
        database=shown_place(settings.store.url) if settings.store.url else str(path),
        database_bytes=await store.size(),
        schema=await store.schema(),
        disk_free_bytes=shutil.disk_usage(path.parent).free,
    )


class StatusSocket:
    """Sends the status to whoever connects."""

    def __init__(self, path: Path, gather: Callable[[], Awaitable[Status]]) -> None:
        self._path, self._gather = path, gather
        self._server: asyncio.Server | None = None
        self._telling = 0

    async def start(self) -> None:
        """Listen. If the socket can't be created, only the status is missing; the service runs."""
        if len(os.fsencode(self._path)) > LONGEST_PATH:
            log.warning("no socket for the status: its path is too long", key="status.no_socket",
                        path=str(self._path))  # fmt: skip
            return
        try:
            # Created under a umask: nobody else can connect, not even for a moment.
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(self._accept, self._path)
            finally:
                os.umask(before)
        except OSError as error:
            log.warning("no socket for the status", key="status.no_socket", why=str(error))

    async def stop(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            self._server = None
            with contextlib.suppress(OSError):
                self._path.unlink()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The outermost loop of one connection: whatever goes wrong must not affect another."""
        self._telling += 1
        try:
            if self._telling > MAX_TELLINGS:
                return
            async with asyncio.timeout(ANSWER_S):
                try:
                    answer = msgspec.json.encode(await self._gather())
                except (StoreError, OSError) as error:
                    answer = msgspec.json.encode({"error": str(error)})
                writer.write(answer)
                await writer.drain()
        except (OSError, TimeoutError) as error:
            log.warning("status not sent", key="status.untold", why=str(error) or "too slow")
        finally:
            self._telling -= 1
            writer.close()


async def ask(database: Path) -> Status:
    """The status of the service that runs on a database.

    Raises:
        PeerUnavailable: no service runs, we may not connect, or it does not answer in time.
    """
    path = socket_path(database)
    try:
        async with asyncio.timeout(2 * ANSWER_S):
            reader, writer = await asyncio.open_unix_connection(path)
            try:
                answer = await reader.read(-1)
            finally:
                writer.close()
        return msgspec.json.decode(answer, type=Status)
    except TimeoutError:
        raise PeerUnavailable(f"the service does not answer at {path}") from None
    except PermissionError:
        raise PeerUnavailable(f"{path}: only root and the service's own user may ask") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise PeerUnavailable(f"no service runs with the database {database}") from None
    except OSError as error:
        raise PeerUnavailable(f"{path}: {error.strerror or error}") from None
    except msgspec.DecodeError as error:
        raise PeerUnavailable(_why(answer) or f"the service's answer can't be read: {error}") from None


def _why(answer: bytes) -> str:
    with contextlib.suppress(msgspec.DecodeError):
        return msgspec.json.decode(answer, type=dict[str, str]).get("error", "")
    return ""
