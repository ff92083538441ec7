"""The stream that keeps what must not be lost until it was taken: made if it is not there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.errors import Error as StreamError

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.wire.bus import Bus

#: The same id within this time (s) is the same message. Longer than whoever sends keeps trying, mostly.
DUPLICATES_S: Final = 120


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """What the stream is to be."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int = 512 * 1024 * 1024
    """Full, it takes no more: whoever sends keeps what it has, and counts what it must drop."""
    replicas: int = 1
    last_only: bool = False
    """Of each subject the last message stays until the next one, whoever reads it; else each until it was
    taken."""


async def ensure_stream(bus: Bus, plan: StreamPlan) -> None:
    """Make the stream unless it is there; one that an administrator changed stays as it is.

    A message stays until its one taker acknowledged it (work queue), or the next of its subject came.

    Raises:
        PeerUnavailable: the servers can't now, or have no JetStream.
    """
    try:
        try:
            await bus.stream.stream_info(plan.name)
        except NotFoundError:
            await bus.stream.add_stream(
                StreamConfig(
                    name=plan.name,
                    subjects=list(plan.subjects),
                    retention=RetentionPolicy.LIMITS if plan.last_only else RetentionPolicy.WORK_QUEUE,
                    max_msgs_per_subject=1 if plan.last_only else -1,
                    discard=DiscardPolicy.NEW,
                    storage=StorageType.FILE,
                    max_bytes=plan.max_bytes,
                    num_replicas=plan.replicas,
                    duplicate_window=DUPLICATES_S,
                )
            )
    except BadRequestError as error:
        raise PeerUnavailable(f"stream {plan.name}: {error.description}") from error
    except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
        raise PeerUnavailable(f"stream {plan.name}: {type(error).__name__} {error}") from error


@dataclass(frozen=True, slots=True)
class StreamState:
    """How a stream stands."""

    messages: int
    used_bytes: int
    room_bytes: int
    """-1: no bound."""


async def state_of(bus: Bus, name: str) -> StreamState | None:
    """How a stream stands; None: it is not made yet.

    Raises:
        PeerUnavailable: the servers don't say.
    """
    try:
        info = await bus.stream.stream_info(name)
    except NotFoundError:
        return None
    except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
        raise PeerUnavailable(f"stream {name}: {type(error).__name__} {error}") from error
    return StreamState(info.state.messages, info.state.bytes, info.config.max_bytes or -1)
