"""The parts that serve pages and API, in the controller's web process and on web nodes alike."""

from __future__ import annotations

import asyncio
import time

import structlog

from emocx_pbx.chat.chat_desk import ChatDesk
from emocx_pbx.deeds.doing import Doer
from emocx_pbx.dispatch.dialling import Dialling
from emocx_pbx.errors import StoreError
from emocx_pbx.live.feed import LiveFeed
from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.database import Store
from emocx_pbx.web.asking import AskedByMessages
from emocx_pbx.web.parts import Counts, Health, Parts
from emocx_pbx.web.remote import RemoteCallBack

log = structlog.get_logger()


class Serving:
    """All parts, in the order in which they need each other."""

    def __init__(
        self,
        in_force: SettingsInForce,
        store: Store,
        controller: AskedByMessages,
        live: LiveFeed,
        deeds: Doer,
        health: Health,
        counts: Counts,
    ) -> None:
        """Prepare.

        Args:
            in_force: holds the settings in force.
            store: the records.
            controller: asked for what is not in the records.
            live: the feed of the controller's live board.
            deeds: does what changes something.
            health: the health board.
            counts: counts events and requests.
        """
        self._store = store
        self._stale_receivers = asyncio.Event()
        self.in_force, self.live = in_force, live
        settings = in_force.settings
        controller.board_anew.subscribe(self.live.begin_anew)
        call_back = RemoteCallBack(controller, settings.placing_pbx)
        can_call = Dialling(settings.dialling, time.monotonic).on
        self.chat = ChatDesk(settings.chat, controller, call_back, can_call, controller, counts.count)
        self.parts = Parts(
            in_force=self.in_force,
            store=store,
            controller=controller,
            queries=controller,
            call_back=call_back,
            deeds=deeds,
            chat=self.chat,
            live=self.live,
            health=health,
            metrics=counts,
        )
        # Subscribe parts to each other's news.
        controller.moves.subscribe(self.chat.watch)
        controller.receivers_changed.subscribe(self._stale_receivers.set)

    def take_over(self, settings: Settings) -> None:
        """Other settings are in force: pages, receivers of new events, chat, logs."""
        before = self.in_force.settings
        self.in_force.put(settings)
        self._store.receivers.take_over(settings.webhooks)
        self.chat.take_over(settings.chat)
        if settings.log != before.log:
            configure(settings.log)

    async def reread_receivers(self) -> None:
        """Reread the store's receivers whenever they changed, until cancelled."""
        while True:
            await self._stale_receivers.wait()
            self._stale_receivers.clear()
            try:
                await self._store.receivers.load()
            except StoreError as error:
                log.error("receivers not read again", key="web.receivers_unread", why=str(error))
