"""Takes messages from the stream: in order, each once, and acknowledges them once they are written.

There is one taker for each `name` (a PBX), the one with the highest epoch: it removes its predecessor when it
opens, and continues at the first message that was not acknowledged. A taker that was removed while it was
frozen stops.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from typing import Final

import nats.errors
import structlog
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.client import JetStreamContext
from nats.js.errors import Error as StreamError

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.wire.bus import Bus
from emocx_pbx.wire.stream import StreamPlan, ensure_stream

log = structlog.get_logger()

#: Most messages taken at once.
BATCH: Final = 500
#: Groups of messages that may wait to be written; then no more are taken.
MOST_UNWRITTEN: Final = 8
#: Seconds to acknowledge, usually longer than the store refuses: after that, messages come again, and are
#: recognised.
ACK_WAIT_S: Final = 60
FETCH_S: Final = 1.0
#: Seconds between two tries.
PAUSE_S: Final = 0.2


class Superseded(PeerUnavailable):
    """Another one takes these messages now."""


class _Gap(Exception):
    """Messages were lost on their way to us: they come again when we open anew."""


class Inflow:
    """The taker of one name's messages."""

    def __init__(
        self,
        bus: Bus,
        plan: StreamPlan,
        name: str,
        subject: str,
        epoch: int,
        life: str,
        take: Callable[[bytes], None],
        written: Callable[[], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            bus: the connection.
            plan: of the stream to take from.
            name: the PBX's: letters, digits, `-` and `_` only.
            subject: subject of its messages, with a wildcard.
            epoch: higher for each new taker of this name; the highest one takes.
            life: identifies this process; of two with the same epoch, the one already taking continues.
            take: gets each message's body, in order; one not acknowledged in time comes again.
            written: returns when everything taken so far is written.
        """
        self._bus, self._plan, self._name, self._subject = bus, plan, name, subject
        self._epoch, self._life, self._take, self._written = epoch, life, take, written
        self._opened = 0
        self.caught_up_since: float | None = None
        """Since when (seconds of the event loop's clock) nothing older waits in the stream; None: something
        does, or it can't be read.
        """
        self.taken = 0
        """Number of messages taken so far."""

    async def run(self) -> None:
        """Take until cancelled.

        Raises:
            Superseded: another taker takes these messages now.
        """
        why = ""
        while True:
            try:
                await self._take_all(await self._open())
            except Superseded:
                raise
            except _Gap:
                self.caught_up_since = None
                log.warning("messages lost on the way, read again", key="inflow.gap", of=self._name)
            except (PeerUnavailable, nats.errors.Error, StreamError, OSError, TimeoutError) as error:
                self.caught_up_since = None
                said = f"{type(error).__name__}: {error}"
                if said != why and self._bus.up:
                    log.warning("stream not read, trying again", key="inflow.away", of=self._name, why=said)
                why = said
                await asyncio.sleep(PAUSE_S)

    async def _open(self) -> JetStreamContext.PullSubscription:
        """Become the only taker, from the first message that was not acknowledged."""
        if not self._bus.up:
            raise PeerUnavailable("no connection to NATS")
        await ensure_stream(self._bus, self._plan)
        stream = self._bus.stream
        # A work queue has one consumer per subject, and drops what was acknowledged: a new one starts there.
        for info in await stream.consumers_info(self._plan.name):
            parts = re.fullmatch(rf"{re.escape(self._name)}_(\d+)_([A-Za-z0-9-]+)_\d+", info.name)
            if parts is None:
                continue
            # An active taker nearly always has a request waiting; one that is gone has none.
            if int(parts[1]) >= self._epoch and parts[2] != self._life and info.num_waiting:
                raise Superseded(f"{info.name} takes the messages of {self._name}")
            await stream.delete_consumer(self._plan.name, info.name)
        self._opened += 1
        durable = f"{self._name}_{self._epoch}_{self._life}_{self._opened}"
        opened = await stream.add_consumer(
            self._plan.name,
            ConsumerConfig(
                durable_name=durable,
                filter_subject=self._subject,
                deliver_policy=DeliverPolicy.ALL,
                ack_policy=AckPolicy.EXPLICIT,
                ack_wait=ACK_WAIT_S,
                max_ack_pending=(MOST_UNWRITTEN + 2) * BATCH,
            ),
        )
        if not opened.num_pending:
            self._caught_up()
        return await stream.pull_subscribe_bind(durable, stream=self._plan.name)

    def _caught_up(self) -> None:
        if self.caught_up_since is None:
            self.caught_up_since = asyncio.get_running_loop().time()

    async def _take_all(self, subscription: JetStreamContext.PullSubscription) -> None:
        unwritten: asyncio.Queue[list[Msg]] = asyncio.Queue(MOST_UNWRITTEN)
        acknowledging = asyncio.get_running_loop().create_task(self._acknowledge(unwritten), name="acks")
        expected = 1
        try:
            while True:
                if acknowledging.done():
                    acknowledging.result()
                try:
                    messages = await subscription.fetch(BATCH, timeout=FETCH_S)
                except TimeoutError:
                    await self._still_ours(subscription)
                    self._caught_up()
                    continue
                for message in messages:
                    if message.metadata.sequence.consumer != expected:
                        raise _Gap
                    expected += 1
                    self._take(message.data)
                    self.taken += 1
                if messages and messages[-1].metadata.num_pending < BATCH:
                    self._caught_up()
                await unwritten.put(messages)
        finally:
            acknowledging.cancel()
            await asyncio.gather(acknowledging, return_exceptions=True)
            try:
                await subscription.unsubscribe()
            except (nats.errors.Error, OSError) as error:
                log.debug("not unsubscribed", key="inflow.unsubscribe", why=str(error))

    async def _still_ours(self, subscription: JetStreamContext.PullSubscription) -> None:
        """Raises StreamError: our consumer was removed."""
        await subscription.consumer_info()

    async def _acknowledge(self, unwritten: asyncio.Queue[list[Msg]]) -> None:
        while True:
            messages = await unwritten.get()
            await self._written()
            for message in messages:
                await message.ack()
