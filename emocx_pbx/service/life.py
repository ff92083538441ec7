"""One life of the controller: opens what it needs, starts every part, and ends them in order, or at once."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version

import structlog

from emocx_pbx.calls.spooling import write_what_an_earlier_life_kept
from emocx_pbx.errors import EmocxError, SettingsError, StoreError
from emocx_pbx.observe.heap import keep_for_good
from emocx_pbx.observe.metrics import Metrics
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.service.controller import Service
from emocx_pbx.service.forgetting import forget_erased_elsewhere, forget_kept_aside, forget_old_calls
from emocx_pbx.service.lease_state import TTL_S
from emocx_pbx.service.notify import Supervisor
from emocx_pbx.service.pbx_reach import PbxReach
from emocx_pbx.service.status import StatusSocket, socket_path, status_of
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store

log = structlog.get_logger()

#: Time that an orderly stop gives taps to flush and rows to be written.
STOP_DEADLINE_S = 5.0


class Life:
    """From its start until it is told to stop, or others act for all of its PBXes (`lost`)."""

    def __init__(
        self,
        settings: Settings,
        read_again: Callable[[], Settings] | None,
        supervisor: Supervisor,
        stop: asyncio.Event,
        *,
        sending: bool,
    ) -> None:
        self._settings, self._read_again, self._supervisor = settings, read_again, supervisor
        self._stop, self._sending = stop, sending
        self._over = asyncio.Event()
        self._acting: list[asyncio.Task[None]] = []
        self.lost = False
        """Whether it ended because others act for all of its PBXes."""

    @property
    def settings(self) -> Settings:
        """The settings last in force."""
        return self._settings

    async def run(self, on_ready: Callable[[int], None] | None) -> None:
        """Run until the end of this life.

        Raises:
            SettingsError, StoreError: before anything listens.
        """
        loop = asyncio.get_running_loop()
        async with contextlib.AsyncExitStack() as stack:
            store = await Store.open(self._settings.store_place(), self._settings.webhooks)
            stack.push_async_callback(store.close)
            metrics = Metrics([pbx.name for pbx in self._settings.each_pbx()])
            self._tasks = tasks = await stack.enter_async_context(Tasks(metrics.count))
            self._service = service = Service(self._settings, store, tasks, metrics)
            office = service.office
            if service.spool is not None:
                stack.callback(service.spool.close)
                await write_what_an_earlier_life_kept(
                    service.spool, service.writing, store.leases, TTL_S, store.audit
                )
                aside = partial(forget_kept_aside, service.spool.path, store, service.in_force)
                tasks.keep(aside, name="kept aside")
            if not office.shared:
                await self._prepare()
                # Callers first: they must not wait for the web pages to start.
                await service.agi.start()
            reread = self._read_again or (lambda: service.settings)
            loop.add_signal_handler(signal.SIGHUP, service.reloading.everything, reread)
            path = socket_path(self._settings.store_path())
            status = StatusSocket(path, partial(status_of, service, version("emocx-pbx"), time.time()))
            await status.start()
            stack.push_async_callback(status.stop)
            listening: asyncio.Future[int] = loop.create_future()
            serving = tasks.keep(partial(service.web.run, listening), name="web")
            if service.cluster:
                await service.cluster.start()
                stack.push_async_callback(service.cluster.stop)
            pool = tasks.create_task(service.pool.start(), name="pool")
            ledger = tasks.keep(service.ledger.run, name="ledger")
            own = [serving, ledger, tasks.keep(service.lines.run, name="lines")]
            if self._sending:
                own.append(tasks.keep(service.sender.run, name="sender"))
            own += self._begin_to_act()
            port = await listening
            keep_for_good()
            log.info("serving", key="service.up", http=port, agi=self._settings.agi.port)
            if on_ready:
                on_ready(port)
            self._supervisor.tell("READY=1")
            beating = tasks.keep(
                partial(
                    self._supervisor.keep_telling,
                    service.health.words,
                    lambda: (*own, *self._acting, *service.pbxes.vital, *service.pool.keepers),
                ),
                name="systemd",
            )
            await self._until_over()
            self._settings = service.settings
            if self.lost:
                await self._end_at_once(pool, serving)
                return
            beating.cancel()
            self._supervisor.tell("STOPPING=1")
            log.info("stopping", key="service.stopping")
            # First those who send us requests, then taps (their last readings are still graded), then the
            # rest.
            await service.agi.stop()
            await service.web.stop()
            serving.cancel()
            if self._acting:
                await service.pbxes.stop()
            pool.cancel()
            await self._stop_workers()
            ledger.cancel()
            await asyncio.gather(ledger, return_exceptions=True)
            try:
                async with asyncio.timeout(STOP_DEADLINE_S):
                    await service.ledger.drain()
            except TimeoutError:
                log.error("changes of calls not written", key="ledger.unwritten", count=len(service.ledger))
            # Only now that everything is written: a standby starts acting at once.
            await office.give_back()

    async def _until_over(self) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in (self._stop, self._over)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()

    # Acting.

    def _begin_to_act(self) -> list[asyncio.Task[None]]:
        """Act for all PBXes now, or for each as soon as its lease is ours; returns the tasks that must run
        from now on.
        """
        office, names = self._service.office, [side.name for side in self._service.pbxes]
        if not office.shared:
            for name in names:
                self._act_for(name)
            self._begin_beside()
            return []
        office.taken.subscribe(self._on_taken)
        office.lost.subscribe(self._on_lost)
        every = self._service.in_force.settings.each_pbx()
        reaches = {pbx.name: PbxReach(pbx, self._service.pbxes) for pbx in every}
        return [self._tasks.keep(partial(office.run, reaches), name="lease")]

    def _act_for(self, name: str) -> None:
        self._service.pbxes.by_name[name].start()

    def _on_taken(self, name: str) -> None:
        self._act_for(name)
        if not self._acting:
            self._begin_beside()
            self._tasks.create_task(self._come_to_act(), name="come to act")

    def _on_lost(self, name: str) -> None:
        """From here on nothing more is done or written for this PBX. Our other PBXes carry on; after the last
        one, `run` ends the rest of this life.
        """
        pbxes = self._service.pbxes
        left = pbxes.by_name[name]
        pbxes.drop(name)
        try:
            pbxes.add(left.anew())
        except SettingsError as error:
            # The PBX's CA file can't be read any more: start all over, which reports this until it can.
            log.error("can't stand by for a PBX", key="lease.no_standby", pbx=name, why=str(error))
            self.lost = True
        self.lost = self.lost or not self._service.office.holds_any
        if self.lost:
            self._over.set()

    def _begin_beside(self) -> None:
        """What only a single controller does."""
        service, tasks = self._service, self._tasks
        old = partial(forget_old_calls, service.store, service.in_force)
        erased = partial(forget_erased_elsewhere, service.store, service.journeys)
        self._acting += [tasks.keep(old, name="forgetting"), tasks.keep(erased, name="erased elsewhere")]

    async def _prepare(self) -> None:
        service, store = self._service, self._service.store
        await store.in_force.put_rubric(service.rubric)
        await service.remember_call_backs()
        await store.reviews.lose_trainings()

    async def _come_to_act(self) -> None:
        """Callers first; a write that the database refuses now costs no calls."""
        try:
            await self._service.agi.start()
        except EmocxError as error:
            self._service.health.set("agi", False, str(error))
            log.error("the dialplan can't ask", key="agi.down", why=str(error))
        try:
            await self._prepare()
        except StoreError as error:
            log.error("not all was taken over", key="lease.unprepared", why=str(error))

    # The end.

    async def _end_at_once(self, pool: asyncio.Task[bool], serving: asyncio.Task[None]) -> None:
        """Others act now: leave Asterisk and the records alone."""
        service = self._service
        for side in service.pbxes:
            service.pbxes.drop(side.name)
        await service.agi.stop()
        await service.web.stop()
        serving.cancel()
        pool.cancel()
        await self._stop_workers()
        # Our other leases are free at once.
        await service.office.give_back()

    async def _stop_workers(self) -> None:
        try:
            async with asyncio.timeout(STOP_DEADLINE_S):
                await self._service.pool.stop()
        except TimeoutError:
            log.warning("workers did not stop in time", key="pool.stop_late")
