"""Values that several hosts share by name: a stream keeps the last value of each until the next one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as StreamError

from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.wire.bus import KEEP_S, Bus
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

#: Error numbers: the message before is not the expected one; the stream is full.
_OVERTAKEN: Final = 10071
_FULL: Final = 10077


@dataclass(frozen=True, slots=True)
class LastValue:
    """A value, and the number of its message."""

    body: bytes
    number: int


class Shelf:
    """One per stream with `last_only`; each operation waits at most KEEP_S seconds for the servers."""

    def __init__(self, bus: Bus, plan: StreamPlan) -> None:
        self._bus, self._plan = bus, plan

    async def ensure(self) -> None:
        """Create the stream unless it exists.

        Raises:
            PeerUnavailable: the servers can't create it now, or have no JetStream.
        """
        self._connected()
        await ensure_stream(self._bus, self._plan)

    async def get(self, subject: str) -> LastValue | None:
        """The kept value; None: there is none.

        Raises:
            PeerUnavailable: the servers don't answer.
        """
        self._connected()
        try:
            found = await self._bus.stream.get_last_msg(self._plan.name, subject)
        except NotFoundError:
            return None
        except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
            raise PeerUnavailable(f"{subject}: {type(error).__name__} {error}") from error
        return LastValue(found.data or b"", found.seq or 0)

    async def put(self, subject: str, body: bytes, after: int | None = None) -> None:
        """Keep a value, replacing the one before.

        Args:
            subject: its name.
            body: the value.
            after: number of the message to replace; 0: there must be none; None: replace whatever is there.

        Raises:
            RefusedError: another message is there by now, or there is no room.
            PeerUnavailable: it was not acknowledged in time.
        """
        self._connected()
        headers = {} if after is None else {"Nats-Expected-Last-Subject-Sequence": str(after)}
        try:
            await self._bus.stream.publish(subject, body, timeout=KEEP_S, headers=headers)
        except APIError as error:
            if error.err_code == _OVERTAKEN:
                raise RefusedError(f"{subject} was changed meanwhile") from error
            if error.err_code == _FULL:
                raise RefusedError(f"the stream {self._plan.name} is full") from error
            raise PeerUnavailable(f"{subject}: {error.description}") from error
        except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
            raise PeerUnavailable(f"{subject}: {type(error).__name__} {error}") from error

    async def drop(self, subject: str) -> None:
        """Remove the values with these names (wildcards allowed).

        Raises:
            PeerUnavailable: the servers don't confirm it.
        """
        self._connected()
        try:
            await self._bus.stream.purge_stream(self._plan.name, subject=subject)
        except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
            raise PeerUnavailable(f"{subject}: {type(error).__name__} {error}") from error

    def _connected(self) -> None:
        if not self._bus.up:
            raise PeerUnavailable("no connection to NATS")
