"""What several hosts share by name: the last value of each, kept by a stream until the next one comes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as StreamError

from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.wire.bus import KEEP_S, Bus
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

#: Error numbers: a message that came after another one than was expected; a stream that takes no more.
_OVERTAKEN: Final = 10071
_FULL: Final = 10077


@dataclass(frozen=True, slots=True)
class LastValue:
    """A value, and which message it is."""

    body: bytes
    number: int


class Shelf:
    """One for a stream with `last_only`; each message waits for the servers KEEP_S at most."""

    def __init__(self, bus: Bus, plan: StreamPlan) -> None:
        self._bus, self._plan = bus, plan

    async def ensure(self) -> None:
        """Make the stream unless it is there.

        Raises:
            PeerUnavailable: the servers can't now, or have no JetStream.
        """
        self._connected()
        await ensure_stream(self._bus, self._plan)

    async def get(self, subject: str) -> LastValue | None:
        """What is kept; None: nothing.

        Raises:
            PeerUnavailable: the servers don't say.
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
        """Keep a value in place of the one before.

        Args:
            subject: its name.
            body: the value.
            after: number of the one before, 0: there is none; None: whatever is there.

        Raises:
            RefusedError: it is another one by now, or there is no room.
            PeerUnavailable: not acknowledged in time.
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
        """Keep what is called so (with wildcards) no longer.

        Raises:
            PeerUnavailable: the servers don't say that they do.
        """
        self._connected()
        try:
            await self._bus.stream.purge_stream(self._plan.name, subject=subject)
        except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
            raise PeerUnavailable(f"{subject}: {type(error).__name__} {error}") from error

    def _connected(self) -> None:
        if not self._bus.up:
            raise PeerUnavailable("no connection to NATS")
