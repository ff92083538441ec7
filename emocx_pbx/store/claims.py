"""What senders do with deliveries: claim them so that all can see it, hold them, and note the outcome.

Senders on several hosts go by the database's clock, so that their own clocks may differ.
"""

from __future__ import annotations

import json
import math
import time
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import fields
from typing import Any

from emocx_pbx.store.connection import Connection, Session
from emocx_pbx.store.rows import DueDelivery, FailedAttempt


class Claims:
    """Deliveries as senders see them."""

    def __init__(self, connection: Connection, now: Callable[[], float] | None = None) -> None:
        """`now` is Unix seconds; None: the database's clock if several hosts share it, else ours."""
        self._connection, self._sql = connection, connection.sql
        self._given = now
        self._now = now or time.time

    def _clock(self) -> float | None:
        """The value of :clock in queries; None: the database's own clock."""
        return None if self._given is None and self._connection.shared else self._now()

    def _at(self, now: float | None) -> float | None:
        return self._clock() if now is None else now

    async def claim(
        self,
        receiver: str,
        now: float | None,
        limit: int,
        hold_s: float,
        *,
        at_most: int | None = None,
        sender: str = "",
        busy: Iterable[int] = (),
    ) -> list[DueDelivery]:
        """Claim what the receiver should get now; of each call only the first pending delivery.

        Nobody else gets it until it is settled, or `hold_s` seconds have passed since it was claimed or
        renewed.

        Args:
            receiver: name of the receiver.
            now: Unix seconds; None: now.
            limit: most deliveries to claim.
            hold_s: seconds that they are ours.
            at_most: how many may be in progress to this receiver, over all senders together.
            sender: who claims them.
            busy: deliveries that the sender has in progress already.
        """
        claim = f"{sender}/{uuid.uuid4().hex}"
        most = limit if at_most is None else at_most
        # If others share it, even a server that is killed just then must know who has what.
        durable = self._connection.shared
        async with self._connection.transaction(durable=durable, about=[f"outbox/{receiver}"]) as c:
            taken = await self._sql.claim_deliveries(
                c, receiver=receiver, clock=self._at(now), limit=limit, at_most=most, claim=claim,
                hold_s=hold_s, busy=json.dumps(list(busy)),
            )  # fmt: skip
            return await self._claimed(c, claim) if taken else []

    async def claim_waiting(
        self, receiver: str, now: float | None, hold_s: float, *, sender: str = ""
    ) -> DueDelivery | None:
        """Claim the delivery that is due soonest among those that failed before and wait for another
        attempt.
        """
        claim = f"{sender}/{uuid.uuid4().hex}"
        durable = self._connection.shared
        async with self._connection.transaction(durable=durable, about=[f"outbox/{receiver}"]) as c:
            taken = await self._sql.claim_waiting(
                c, receiver=receiver, clock=self._at(now), claim=claim, hold_s=hold_s
            )
            return (await self._claimed(c, claim))[0] if taken else None

    async def _claimed(self, c: Session, claim: str) -> list[DueDelivery]:
        return [DueDelivery(**dict(row)) async for row in self._sql.claimed_deliveries(c, claim=claim)]

    async def renew(self, sender: str, deliveries: Iterable[int], hold_s: float) -> set[int]:
        """Hold what is in progress for `hold_s` more seconds; returns which of it is still this sender's."""
        asked = json.dumps(list(deliveries))
        async with self._connection.transaction(durable=False, about=[]) as c:
            rows = self._sql.renew_claims(
                c, sender=sender, deliveries=asked, clock=self._clock(), hold_s=hold_s
            )
            return {row["delivery_id"] async for row in rows}

    async def begin(self) -> None:
        """A sender starts: if there can be only one, what its predecessor had in progress is free at once."""
        if not self._connection.shared:
            await self.release("")

    async def release(self, sender: str) -> None:
        """Release what a sender had in progress; '': what any sender had."""
        async with self._connection.transaction() as c:
            await self._sql.release_claims(c, sender=sender)

    async def waits_again(self, receiver: str) -> bool:
        """Whether a delivery failed before and waits for another attempt."""
        return bool(await self._connection.rows("waits_again", receiver=receiver))

    async def due_in_s(self, receiver: str) -> float | None:
        """Seconds until the receiver's next delivery is due; 0 or less: now; None: nothing is pending."""
        row = await self._connection.row("next_due", receiver=receiver, clock=self._clock())
        return row["due_in_s"] if row else None

    # The outcome of an attempt. `held` is the delivery as it was claimed: if somebody else has it by now,
    # nothing is changed, and False is returned. Without `held` the row is changed whoever has it.

    async def delivered(
        self, delivery_id: int, at: float, status: int, *, held: DueDelivery | None = None
    ) -> bool:
        """The receiver accepted it."""
        async with self._settling(held) as c:
            number: int = await self._sql.delivered(
                c, delivery_id=delivery_id, at=at, status=status, claim=_claim(held)
            )
            await self._sql.drop_erased_event(c, delivery_id=delivery_id)
        return number > 0

    async def retry_later(
        self,
        delivery_id: int,
        failed: FailedAttempt,
        after_s: float,
        *,
        held: DueDelivery | None = None,
        rest_s: float | None = None,
    ) -> bool:
        """The attempt failed; the next is due in `after_s` seconds, and for `rest_s` seconds the receiver
        gets nothing, as it asked.
        """
        async with self._settling(held, resting=rest_s is not None) as c:
            number: int = await self._sql.retry_later(
                c,
                delivery_id=delivery_id,
                clock=self._clock(),
                after_s=after_s,
                claim=_claim(held),
                **_values(failed),
            )
            await self._rest(c, held if number else None, rest_s)
        return number > 0

    async def gave_up(
        self,
        delivery_id: int,
        failed: FailedAttempt,
        *,
        held: DueDelivery | None = None,
        disable: bool = False,
    ) -> bool:
        """The last attempt failed; it stays listed, and can be replayed. `disable`: its receiver wants
        nothing more, so suspend it.
        """
        async with self._settling(held) as c:
            number: int = await self._sql.gave_up(
                c, delivery_id=delivery_id, claim=_claim(held), **_values(failed)
            )
            await self._sql.drop_erased_event(c, delivery_id=delivery_id)
            if number and disable and held is not None:
                await self._sql.disable_receiver(c, name=held.receiver, at=failed.at, reason=failed.error)
        return number > 0

    async def failed_early(
        self,
        delivery_id: int,
        failed: FailedAttempt,
        *,
        held: DueDelivery | None = None,
        rest_s: float | None = None,
    ) -> bool:
        """An attempt ahead of schedule failed: it does not count as one of the delivery's own."""
        async with self._settling(held, resting=rest_s is not None) as c:
            number: int = await self._sql.failed_early(
                c, delivery_id=delivery_id, claim=_claim(held), **_values(failed)
            )
            await self._rest(c, held if number else None, rest_s)
        return number > 0

    def _settling(
        self, held: DueDelivery | None, *, resting: bool = False
    ) -> AbstractAsyncContextManager[Session]:
        if held is None:
            return self._connection.transaction()
        about = [held.stream, f"outbox/{held.receiver}"] if resting else [held.stream]
        return self._connection.transaction(about=about)

    async def _rest(self, c: Session, held: DueDelivery | None, rest_s: float | None) -> None:
        if held is not None and rest_s is not None:
            await self._sql.pause_receiver(c, name=held.receiver, clock=self._clock(), rest_s=rest_s)

    async def release_waiting(self, receiver: str) -> None:
        """The receiver is back: what waits for another attempt is due now, in order."""
        async with self._connection.transaction(about=[f"outbox/{receiver}"]) as c:
            await self._sql.release_waiting(c, receiver=receiver, clock=self._clock())

    # Whole receivers.

    async def disable(self, name: str, at: float, reason: str) -> None:
        """Send nothing more to a receiver that asked for this; what is pending waits."""
        async with self._connection.transaction() as c:
            await self._sql.disable_receiver(c, name=name, at=at, reason=reason)

    async def enable(self, name: str) -> None:
        """Send to the receiver again."""
        async with self._connection.transaction() as c:
            await self._sql.enable_receiver(c, name=name)
            await self._sql.drop_pause(c, name=name)

    async def rest_s(self, name: str) -> float:
        """For how many seconds a receiver gets nothing: inf if it is disabled; 0 or less: it gets everything
        now.
        """
        row = await self._connection.row("receiver_stands", name=name, clock=self._clock())
        if row is None or row["disabled"]:
            return math.inf
        return -math.inf if row["rest_s"] is None else float(row["rest_s"])


def _claim(held: DueDelivery | None) -> str | None:
    return None if held is None else held.claim


def _values(failed: FailedAttempt) -> dict[str, Any]:
    return {f.name: getattr(failed, f.name) for f in fields(FailedAttempt)}
