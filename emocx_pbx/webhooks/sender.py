"""Delivers what the outbox holds: signed, in order within each call, until accepted or given up."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import structlog

from emocx_pbx.errors import InputError, StoreError, StoreUnavailable
from emocx_pbx.events.event import probe_body
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import DueDelivery, FailedAttempt
from emocx_pbx.webhooks.holding import HEAD_START_S, HOLD_S, Holding
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.receivers import check_receivers, secrets_of
from emocx_pbx.webhooks.recovery import ReceiverRecovery
from emocx_pbx.webhooks.schedule import AttemptOutcome, Delivered, GiveUp, Retry, after
from emocx_pbx.webhooks.signing import headers

log = structlog.get_logger()

#: Simultaneous attempts to one receiver; a slow one delays no other receiver.
CONCURRENCY: Final = 8

#: Seconds between checks: `emocx-pbx webhooks replay` writes from another process, which can't notify us.
POLL_S: Final = 5.0

#: Seconds between checks for what is due while attempts are in progress.
BUSY_POLL_S: Final = 1.0

#: Seconds between attempts to note an outcome while the database is unreachable.
NOTE_AGAIN_S: Final = 0.5

#: Seconds of pause after the store refused to note an outcome, so that no receiver is flooded with repeats.
STORE_PAUSE_S: Final = 30.0


class Sender:
    """One loop per receiver; everything that must survive is in the store, nothing here.

    Several senders may share a store: each claims what it sends, which the others see.
    """

    def __init__(
        self,
        outbox: Outbox,
        receivers: Callable[[], Sequence[WebhookSettings]],
        poster: Poster,
        now: Callable[[], float] = time.time,
        *,
        rng: random.Random | None = None,
        on_outcome: Callable[[str, str], None] | None = None,
        poll_s: float | None = None,
    ) -> None:
        """Check the receivers; nothing is sent before `run`.

        Args:
            outbox: Where deliveries wait.
            receivers: The receivers as they are now; call `receivers_changed` when one is added or removed.
            poster: Sends one event once.
            now: Unix seconds.
            rng: For jitter.
            on_outcome: Told the receiver's name and `delivered`, `retried` or `failed` (metrics).
            poll_s: Seconds between checks for what others wrote; None: POLL_S.

        Raises:
            SettingsError: a receiver's settings are wrong.
        """
        check_receivers(receivers())
        self._outbox = outbox
        self._receivers = receivers
        self._poster = poster
        self._now = now
        self._rng = rng or random.Random()
        self._on_outcome = on_outcome
        self._id = uuid.uuid4().hex
        self._poll_s = POLL_S if poll_s is None else poll_s
        self._wake: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Event()
        self._holding = Holding(outbox, self._id)
        self._paused_until: dict[str, float] = {}
        self._away: set[str] = set()
        """Receivers for whom the database could not be read just now."""
        self._recovery: dict[str, ReceiverRecovery] = {}

    def notify(self) -> None:
        """There may be something to send."""
        for event in self._wake.values():
            event.set()

    def receivers_changed(self) -> None:
        """Call when a receiver was added, removed or changed; the others go on undisturbed."""
        self._changed.set()
        self.notify()

    async def run(self) -> None:
        """Deliver until cancelled. What is in progress then is sent again, by us or by others."""
        await self._try(self._outbox.begin())
        try:
            await self._deliver_all()
        finally:
            await self._try(self._outbox.release(self._id))

    async def _try(self, work: Awaitable[None]) -> None:
        """Claims that can't be released now expire."""
        try:
            await work
        except StoreError as error:
            log.warning("claims of webhooks can't be freed", key="webhook.claims", reason=str(error))

    async def _deliver_all(self) -> None:
        serving: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
            group.create_task(self._holding.run(), name="webhooks held")
            while True:
                self._changed.clear()
                serving = {name: task for name, task in serving.items() if not task.done()}
                names = {receiver.name for receiver in self._receivers()}
                for name in names - serving.keys():
                    self._wake[name] = asyncio.Event()
                    serving[name] = group.create_task(self._serve(name), name=f"webhooks to {name}")
                for name in serving.keys() - names:
                    serving.pop(name).cancel()
                    self._recovery.pop(name, None)
                await self._changed.wait()

    def _receiver(self, name: str) -> WebhookSettings | None:
        return next((receiver for receiver in self._receivers() if receiver.name == name), None)

    async def _serve(self, name: str) -> None:
        wake = self._wake[name]
        under_way: set[int] = set()
        async with asyncio.TaskGroup() as group:
            while True:
                wake.clear()
                wait = self._poll_s
                receiver = self._receiver(name)
                if receiver is None:
                    return
                try:
                    wait = await self._start_due(receiver, under_way, group)
                except StoreError as error:
                    self._away.add(name)
                    log.error(
                        "webhook deliveries can't be read",
                        key="webhook.store",
                        receiver=name,
                        reason=str(error),
                    )
                try:
                    async with asyncio.timeout(wait):
                        await wake.wait()
                except TimeoutError:
                    pass

    async def _start_due(
        self, receiver: WebhookSettings, under_way: set[int], group: asyncio.TaskGroup
    ) -> float:
        """Start what is due and has room; returns the seconds until the next check is worthwhile."""
        now, name = self._now(), receiver.name
        asked_s = await self._outbox.rest_s(name)
        if name in self._away:
            self._away.discard(name)
            self._pause(name, now + HEAD_START_S)
        pause_s = max(asked_s, self._paused_until.get(name, 0.0) - now)
        if pause_s > 0:
            return min(pause_s, self._poll_s)
        recovery = self._recovery.get(name)
        if recovery is None:
            failed_before = await self._outbox.waits_again(name)
            recovery = self._recovery[name] = ReceiverRecovery(now, down=failed_before)
        room = int(min(CONCURRENCY - len(under_way), recovery.room(now)))
        begun: list[DueDelivery] = []
        if room > 0:
            # Claimed and committed before it is posted; a call's next event is not due before the one before
            # is settled, which keeps the order.
            with self._holding.asking() as took:
                begun = await self._outbox.claim(
                    name, None, room, HOLD_S, at_most=CONCURRENCY, sender=self._id, busy=self._holding.busy
                )
                took(delivery.delivery_id for delivery in begun)
        recovery.began(len(begun))
        for delivery in begun:
            under_way.add(delivery.delivery_id)
            group.create_task(self._deliver(receiver, delivery, under_way))
        if 0 < room == len(begun):  # there may be more
            return min(BUSY_POLL_S, recovery.next_room_s(now) or BUSY_POLL_S)
        if under_way:
            return BUSY_POLL_S
        due_in_s = await self._outbox.due_in_s(name)
        if due_in_s is not None and due_in_s <= 0:
            # No room yet, or other senders already have the receiver's limit in progress.
            return min(BUSY_POLL_S, recovery.next_room_s(now) or BUSY_POLL_S)
        recovery.caught_up()
        if recovery.probe_at is not None and recovery.probe_at <= now:
            with self._holding.asking() as took:
                waiting = await self._outbox.claim_waiting(name, None, HOLD_S, sender=self._id)
                took([waiting.delivery_id] if waiting is not None else [])
            if waiting is not None:
                recovery.probing(now)
                under_way.add(waiting.delivery_id)
                group.create_task(self._deliver(receiver, waiting, under_way, probe=True))
                return BUSY_POLL_S
        if due_in_s is None:
            return self._poll_s
        if recovery.probe_at is not None:
            due_in_s = min(due_in_s, recovery.probe_at - now)
        return min(self._poll_s, max(0.01, due_in_s))

    async def _deliver(
        self, receiver: WebhookSettings, delivery: DueDelivery, under_way: set[int], probe: bool = False
    ) -> None:
        """One attempt and what follows from it; an outermost loop: no exception may escape."""
        early, began = probe or delivery.early_from is not None, self._now()
        try:
            still = partial(self._holding.may_send, delivery.delivery_id)
            outcome = await self._post(receiver, delivery.event_id, delivery.body, still)
            if outcome is None:
                self._late(receiver.name, delivery)
                return
            await self._note(receiver, delivery, outcome, early)
            await self._learn(receiver.name, outcome, began, early)
        except StoreError as error:
            self._pause(receiver.name, self._now() + STORE_PAUSE_S)
            log.error(
                "the outcome of a webhook can't be noted",
                key="webhook.store",
                receiver=receiver.name,
                reason=str(error),
            )
        except Exception:
            self._pause(receiver.name, self._now() + STORE_PAUSE_S)
            log.exception("a webhook attempt broke", key="webhook.broke", receiver=receiver.name)
        finally:
            self._holding.over(delivery.delivery_id)
            under_way.discard(delivery.delivery_id)
            self._wake[receiver.name].set()

    async def test(self, name: str) -> AttemptOutcome:
        """Send a receiver one signed `webhook.test` at once, apart from its pending deliveries.

        Raises:
            InputError: there is no such receiver.
        """
        receiver = self._receiver(name)
        if receiver is None:
            raise InputError(f"there is no receiver {name}")
        began = self._now()
        outcome = await self._post(receiver, f"evt_{uuid.uuid4().hex}", probe_body(began))
        assert outcome is not None  # nobody else could have claimed it
        if outcome.taken:
            await self._learn(name, outcome, began)
        return outcome

    async def _post(
        self,
        receiver: WebhookSettings,
        event_id: str,
        body: str,
        still: Callable[[], bool] = lambda: True,
    ) -> AttemptOutcome | None:
        signed = headers(event_id, body, secrets_of(receiver), self._now())
        return await self._poster.post(receiver, signed, body.encode(), still)

    async def _learn(self, name: str, outcome: AttemptOutcome, began: float, early: bool = False) -> None:
        """Note what an attempt says about its receiver; if it is back, all that waits is sent."""
        now, recovery = self._now(), self._recovery.get(name)
        if recovery is None:
            return
        if not outcome.taken:
            recovery.refused(now, outcome.status, early=early)
        elif recovery.took(now, began):
            try:
                await self._outbox.release_waiting(name)
            except StoreError:
                recovery.refused(now, None)  # its next success releases them
                raise
            log.info("a receiver of webhooks is back", key="webhook.back", receiver=name)
            self.notify()

    async def _note(
        self, receiver: WebhookSettings, delivery: DueDelivery, outcome: AttemptOutcome, early: bool
    ) -> None:
        """Settle a delivery as soon as the database accepts it; until then it counts as in progress."""
        while True:
            try:
                await self._settle(receiver, delivery, outcome, early)
            except StoreUnavailable as error:
                log.warning(
                    "the outcome of a webhook waits for the database",
                    key="webhook.waits",
                    receiver=receiver.name,
                    reason=str(error),
                )
                await asyncio.sleep(NOTE_AGAIN_S)
            else:
                return

    async def _settle(
        self, receiver: WebhookSettings, delivery: DueDelivery, outcome: AttemptOutcome, early: bool
    ) -> None:
        now, name, attempt = self._now(), receiver.name, delivery.attempts + 1
        said, number = outcome.said or None, delivery.delivery_id
        says = log.bind(receiver=name, event_type=delivery.type, event_id=delivery.event_id, attempt=attempt)
        match after(attempt, outcome, now, self._rng):
            case Delivered():
                if await self._outbox.delivered(number, now, outcome.status or 0, held=delivery):
                    self._count(name, "delivered")
                else:
                    self._late(name, delivery)
            case Retry(at, reason, pause_until):
                rest_s = None if pause_until is None else pause_until - now
                failed = FailedAttempt(now, outcome.status, reason, said)
                if early:
                    await self._outbox.failed_early(number, failed, held=delivery, rest_s=rest_s)
                elif await self._outbox.retry_later(number, failed, at - now, held=delivery, rest_s=rest_s):
                    self._count(name, "retried")
                    says.warning(
                        "a webhook was not taken", key="webhook.retry", reason=reason, again_in_s=at - now
                    )
                else:
                    self._late(name, delivery)
            case GiveUp(reason, disable):
                failed = FailedAttempt(now, outcome.status, reason, said)
                if early and not disable:
                    await self._outbox.failed_early(number, failed, held=delivery)
                elif await self._outbox.gave_up(number, failed, held=delivery, disable=disable):
                    self._count(name, "failed")
                    says.error("a webhook was given up", key="webhook.failed", reason=reason)
                else:
                    self._late(name, delivery)

    def _late(self, name: str, delivery: DueDelivery) -> None:
        log.warning(
            "another sender has taken a webhook over", key="webhook.late", receiver=name,
            event_id=delivery.event_id,
        )  # fmt: skip

    def _pause(self, name: str, until: float) -> None:
        self._paused_until[name] = max(until, self._paused_until.get(name, 0.0))

    def _count(self, name: str, result: str) -> None:
        if self._on_outcome is not None:
            self._on_outcome(name, result)
