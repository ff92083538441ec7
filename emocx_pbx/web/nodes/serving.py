"""The parts of a web node that differ from the controller's own web process: deeds, and health."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from emocx_pbx.deeds.account_deeds import AccountDeeds
from emocx_pbx.deeds.base import Deed
from emocx_pbx.deeds.deed import AccountDeed, AnyDeed, OnReceivers
from emocx_pbx.observe.health import Component, HealthBoard, report_of
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.web.nodes.controllers import Controllers

R = TypeVar("R")


class NodeDeeds:
    """Deeds that need only the records are done here, all others by a controller."""

    def __init__(self, controllers: Controllers, store: Store, in_force: SettingsInForce) -> None:
        self._controllers, self._store = controllers, store
        self._accounts = AccountDeeds(store, in_force)

    async def do(self, deed: Deed[R], by: Actor) -> R:
        """As Doer.do; raises PeerUnavailable if no controller answers."""
        asked = cast(AnyDeed, deed)
        if isinstance(asked, AccountDeed):
            return cast(R, await self._accounts.done(asked, by))
        done = await self._controllers.do(deed, by)
        if isinstance(deed, OnReceivers):
            await self._store.receivers.load()  # whoever asked shows them next
        return done


class NodeHealth:
    """The health of the node's own parts, and those of the controllers that it knows."""

    def __init__(self, own: HealthBoard, controllers: Controllers) -> None:
        self._own, self._controllers = own, controllers

    def components(self) -> Mapping[str, Component]:
        """By name; a controller's with the name of its node."""
        return {**self._own.components(), **self._controllers.components()}

    @property
    def ready(self) -> bool:
        """Whether people should be sent here: pages of records need the database alone."""
        found = self._own.components().get("store")
        return found is not None and found.up

    def report(self) -> dict[str, Any]:
        """As HealthBoard.report."""
        return {**report_of(self.components()), "ready": self.ready}
