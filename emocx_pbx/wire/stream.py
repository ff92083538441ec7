"""The stream that keeps what must not be lost until it has been taken: created if it is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import nats.errors
from nats.js.api import DiscardPolicy, RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.errors import Error as StreamError

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.wire.bus import Bus

#: Seconds within which the same id is the same message; usually longer than a sender keeps trying.
DUPLICATES_S: Final = 120


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """How to create the stream."""

    name: str
    subjects: tuple[str, ...]
    max_bytes: int = 512 * 1024 * 1024
    """Most bytes: when full, it accepts no more; a sender keeps its messages, and counts those it must
    drop."""
    replicas: int = 1
    last_only: bool = False
    """Whether the last message of each subject stays until the next one, whoever reads it; if not, each
    message stays until it was taken."""


async def ensure_stream(bus: Bus, plan: StreamPlan) -> None:
    """Create the stream unless it exists; one that an administrator changed stays as it is.

    A message stays until its one taker acknowledged it (work queue), or the next one of its subject arrived.

    Raises:
        PeerUnavailable: the servers can't create it now, or have no JetStream.
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
    """The state of a stream."""

    messages: int
    used_bytes: int
    room_bytes: int
    """-1: unlimited."""


async def state_of(bus: Bus, name: str) -> StreamState | None:
    """The state of a stream; None: it does not exist yet.

    Raises:
        PeerUnavailable: the servers don't answer.
    """
    try:
        info = await bus.stream.stream_info(name)
    except NotFoundError:
        return None
    except (nats.errors.Error, StreamError, TimeoutError, OSError) as error:
        raise PeerUnavailable(f"stream {name}: {type(error).__name__} {error}") from error
    return StreamState(info.state.messages, info.state.bytes, info.config.max_bytes or -1)
