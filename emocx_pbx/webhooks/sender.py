"""Delivers what the outbox holds: signed, in each call's order, until taken or given up."""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from emocx_pbx.errors import InputError, StoreError
from emocx_pbx.events.event import probe_body
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.outbox import Outbox
from emocx_pbx.store.rows import DueDelivery, FailedAttempt
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.receivers import check_receivers, secrets_of
from emocx_pbx.webhooks.recovery import ReceiverRecovery
from emocx_pbx.webhooks.schedule import AttemptOutcome, Delivered, GiveUp, Retry, after
from emocx_pbx.webhooks.signing import headers

log = structlog.get_logger()

#: Attempts at the same time to one receiver; a slow one delays nobody else.
CONCURRENCY: Final = 8

#: `emocx-pbx webhooks replay` writes from another process; nobody notifies us of it.
POLL_S: Final = 5.0

#: While attempts are under way, what falls due meanwhile is looked for so often.
BUSY_POLL_S: Final = 1.0

#: A delivery stays ours for an attempt's deadline and this long: by more than hosts' clocks may differ.
HOLD_MORE_S: Final = 30.0

#: After the store refused to note an outcome, so that a receiver isn't flooded with repetitions.
STORE_PAUSE_S: Final = 30.0


class Sender:
    """One loop per receiver; everything that must survive is in the store, nothing here.

    Several senders may share a store: each takes what it sends by a claim that the others see.
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
            receivers: The receivers as they are now; tell `receivers_changed` when one comes or goes.
            poster: Sends one event once.
            now: Unix seconds.
            rng: For jitter.
            on_outcome: Told the receiver's name and `delivered`, `retried` or `failed` (metrics).
            poll_s: Seconds between looks for what others wrote; None: POLL_S.

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
        self._paused_until: dict[str, float] = {}
        self._recovery: dict[str, ReceiverRecovery] = {}

    def notify(self) -> None:
        """There may be something to send."""
        for event in self._wake.values():
            event.set()

    def receivers_changed(self) -> None:
        """A receiver came, went or changed; those that stay go on undisturbed."""
        self._changed.set()
        self.notify()

    async def run(self) -> None:
        """Deliver until cancelled. What is under way then is sent again, by us or by others."""
        await self._try(self._outbox.begin())
        try:
            await self._deliver_all()
        finally:
            await self._try(self._outbox.release(self._id))

    async def _try(self, work: Awaitable[None]) -> None:
        """Claims that can't be freed now end by themselves."""
        try:
            await work
        except StoreError as error:
            log.warning("claims of webhooks can't be freed", key="webhook.claims", reason=str(error))

    async def _deliver_all(self) -> None:
        serving: dict[str, asyncio.Task[None]] = {}
        async with asyncio.TaskGroup() as group:
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
        """Start what is due and has room; returns seconds until it is worth looking again."""
        now, name = self._now(), receiver.name
        asked = await self._outbox.waits_until(name)
        pause = max(asked, self._paused_until.get(name, 0.0)) - now
        if pause > 0:
            return min(pause, self._poll_s)
        recovery = self._recovery.get(name)
        if recovery is None:
            failed_before = await self._outbox.waits_again(name)
            recovery = self._recovery[name] = ReceiverRecovery(now, down=failed_before)
        hold_s = receiver.timeout_s + HOLD_MORE_S
        room = int(min(CONCURRENCY - len(under_way), recovery.room(now)))
        begun: list[DueDelivery] = []
        if room > 0:
            # Claimed and committed before it is posted; a call's next event is not due before its first is
            # settled: that keeps the order.
            begun = await self._outbox.claim(name, now, room, hold_s, at_most=CONCURRENCY, sender=self._id)
        recovery.began(len(begun))
        for delivery in begun:
            under_way.add(delivery.delivery_id)
            group.create_task(self._deliver(receiver, delivery, under_way))
        if 0 < room == len(begun):  # there may be more
            return min(BUSY_POLL_S, recovery.next_room_s(now) or BUSY_POLL_S)
        if under_way:
            return BUSY_POLL_S
        next_due = await self._outbox.next_due(name, now)
        if next_due is not None and next_due <= now:
            # No room yet; or other senders have as much under way as the receiver gets at a time.
            return min(BUSY_POLL_S, recovery.next_room_s(now) or BUSY_POLL_S)
        recovery.caught_up()
        if recovery.probe_at is not None and recovery.probe_at <= now:
            waiting = await self._outbox.claim_waiting(name, now, hold_s, sender=self._id)
            if waiting is not None:
                recovery.probing(now)
                under_way.add(waiting.delivery_id)
                group.create_task(self._deliver(receiver, waiting, under_way, probe=True))
                return BUSY_POLL_S
        if next_due is None:
            return self._poll_s
        if recovery.probe_at is not None:
            next_due = min(next_due, recovery.probe_at)
        return min(self._poll_s, max(0.01, next_due - self._now()))

    async def _deliver(
        self, receiver: WebhookSettings, delivery: DueDelivery, under_way: set[int], probe: bool = False
    ) -> None:
        """One attempt and what follows from it; outermost, nothing may escape."""
        early, began = probe or delivery.early_from is not None, self._now()
        try:
            outcome = await self._post(receiver, delivery.event_id, delivery.body)
            await self._settle(receiver, delivery, outcome, early)
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
            under_way.discard(delivery.delivery_id)
            self._wake[receiver.name].set()

    async def test(self, name: str) -> AttemptOutcome:
        """Send a receiver one signed `webhook.test`, at once and beside what it is owed.

        Raises:
            InputError: there is no such receiver.
        """
        receiver = self._receiver(name)
        if receiver is None:
            raise InputError(f"there is no receiver {name}")
        began = self._now()
        outcome = await self._post(receiver, f"evt_{uuid.uuid4().hex}", probe_body(began))
        if outcome.taken:
            await self._learn(name, outcome, began)
        return outcome

    async def _post(self, receiver: WebhookSettings, event_id: str, body: str) -> AttemptOutcome:
        signed = headers(event_id, body, secrets_of(receiver), self._now())
        return await self._poster.post(receiver, signed, body.encode())

    async def _learn(self, name: str, outcome: AttemptOutcome, began: float, early: bool = False) -> None:
        """What an attempt tells of its receiver; if it is back, all that waits goes out."""
        now, recovery = self._now(), self._recovery.get(name)
        if recovery is None:
            return
        if not outcome.taken:
            recovery.refused(now, outcome.status, early=early)
        elif recovery.took(now, began):
            try:
                await self._outbox.release_waiting(name, now)
            except StoreError:
                recovery.refused(now, None)  # its next yes releases them
                raise
            log.info("a receiver of webhooks is back", key="webhook.back", receiver=name)
            self.notify()

    async def _settle(
        self, receiver: WebhookSettings, delivery: DueDelivery, outcome: AttemptOutcome, early: bool
    ) -> None:
        now, name, attempt = self._now(), receiver.name, delivery.attempts + 1
        says = log.bind(receiver=name, event_type=delivery.type, event_id=delivery.event_id, attempt=attempt)
        match after(attempt, outcome, now, self._rng):
            case Delivered():
                status = outcome.status or 0
                if await self._outbox.delivered(delivery.delivery_id, now, status, held=delivery):
                    self._count(name, "delivered")
                else:
                    says.warning("a webhook took longer than it was held for", key="webhook.late")
            case Retry(at, reason, pause_until):
                if pause_until is not None:
                    await self._outbox.pause(name, pause_until)
                failed = FailedAttempt(now, outcome.status, reason, outcome.said or None)
                if early:
                    await self._outbox.failed_early(delivery.delivery_id, failed, held=delivery)
                    return
                await self._outbox.retry_later(delivery.delivery_id, failed, at, held=delivery)
                self._count(name, "retried")
                says.warning(
                    "a webhook was not taken", key="webhook.retry", reason=reason, again_in_s=at - now
                )
            case GiveUp(reason, disable):
                failed = FailedAttempt(now, outcome.status, reason, outcome.said or None)
                if early and not disable:
                    await self._outbox.failed_early(delivery.delivery_id, failed, held=delivery)
                    return
                if disable:
                    await self._outbox.disable(name, now, reason)
                await self._outbox.gave_up(delivery.delivery_id, failed, held=delivery)
                self._count(name, "failed")
                says.error("a webhook was given up", key="webhook.failed", reason=reason)

    def _pause(self, name: str, until: float) -> None:
        self._paused_until[name] = max(until, self._paused_until.get(name, 0.0))

    def _count(self, name: str, result: str) -> None:
        if self._on_outcome is not None:
            self._on_outcome(name, result)
