"""Receivers of events: those of the settings, and those that administrators keep in the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from emocx_pbx.errors import InputError
from emocx_pbx.observe.listeners import Listeners
from emocx_pbx.settings.receiver_url import shown_url
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.connection import Connection


@dataclass(frozen=True, slots=True)
class StoredReceiver:
    """A receiver in the store."""

    name: str
    url: str
    secret: str
    old_secret: str | None
    old_until: float | None
    """Unix seconds until which the old secret signs too."""
    events: tuple[str, ...]
    timeout_s: float
    created_at: float
    created_by: str

    def settings(self, now: float) -> WebhookSettings:
        """The receiver in the form for the sender: during a rotation with both the new secret and the old
        one.
        """
        overlaps = self.old_secret is not None and self.old_until is not None and now < self.old_until
        secret = f"{self.secret} {self.old_secret}" if overlaps else self.secret
        return WebhookSettings(
            name=self.name, url=self.url, secret=secret, events=self.events, timeout_s=self.timeout_s
        )


class Receivers:
    """All receivers; a change in the store takes effect at once."""

    def __init__(
        self,
        connection: Connection,
        settings: Sequence[WebhookSettings],
        now: Callable[[], float],
        audit: AuditLog,
    ) -> None:
        self._connection, self._now, self._audit = connection, now, audit
        self.settings = tuple(settings)
        """Those of the settings file; here they are only read."""
        self._stored: tuple[StoredReceiver, ...] = ()
        self.changes: Listeners[[]] = Listeners()
        """Listeners are called when a receiver was added, removed or changed."""

    async def load(self) -> None:
        """Read what is stored."""
        self._stored = tuple(
            StoredReceiver(**{**dict(row), "events": tuple(msgspec.json.decode(row["events"]))})
            for row in await self._connection.rows("stored_receivers")
        )

    def take_over(self, settings: Sequence[WebhookSettings]) -> None:
        """Other receivers of the settings file from now on; those in the store stay."""
        if tuple(settings) != self.settings:
            self.settings = tuple(settings)
            self.changes.tell()

    def current(self) -> tuple[WebhookSettings, ...]:
        """Every receiver as it is now; one in the settings file takes precedence over the store's of the same
        name.
        """
        names, now = {e.name for e in self.settings}, self._now()
        return (*self.settings, *(s.settings(now) for s in self._stored if s.name not in names))

    def stored(self) -> tuple[StoredReceiver, ...]:
        """Those in the store, by name."""
        return self._stored

    def find(self, name: str) -> StoredReceiver | None:
        """One in the store by name."""
        return next((s for s in self._stored if s.name == name), None)

    async def add(self, receiver: WebhookSettings, by: Actor) -> None:
        """Add a receiver (checked by the caller); it gets what happens from now on.

        Raises:
            InputError: the name is taken.
        """
        if any(e.name == receiver.name for e in self.current()):
            raise InputError(f"there is a receiver {receiver.name} already")
        async with self._connection.transaction() as c:
            await self._sql.add_receiver(
                c, name=receiver.name, url=receiver.url, secret=receiver.secret,
                events=_json(receiver.events), timeout_s=receiver.timeout_s, at=self._now(), by=by.name,
            )  # fmt: skip
            await self._audit.note(c, by, "webhook.added", receiver.name, None, _audited(receiver))
        await self._changed()

    async def change(self, receiver: WebhookSettings, by: Actor) -> None:
        """Change the address, events or deadline; the secret stays (see `rotate`)."""
        before = self._existing(receiver.name)
        async with self._connection.transaction() as c:
            await self._sql.change_receiver(
                c, name=receiver.name, url=receiver.url, events=_json(receiver.events),
                timeout_s=receiver.timeout_s,
            )  # fmt: skip
            await self._audit.note(
                c, by, "webhook.changed", receiver.name, _audited(before.settings(0.0)), _audited(receiver)
            )
        await self._changed()

    async def rotate(self, name: str, secret: str, overlap_s: float, by: Actor) -> None:
        """Set a new secret (checked by the caller); for a while both sign, so that the receiver can
        follow.
        """
        self._existing(name)
        until = self._now() + overlap_s
        async with self._connection.transaction() as c:
            await self._sql.rotate_receiver(c, name=name, secret=secret, old_until=until)
            await self._audit.note(c, by, "webhook.rotated", name, None, {"old_secret_until": until})
        await self._changed()

    async def remove(self, name: str, by: Actor) -> None:
        """Remove a receiver with its pending deliveries; what it got stays listed."""
        before = self._existing(name)
        async with self._connection.transaction() as c:
            await self._sql.delete_receiver(c, name=name)
            await self._sql.drop_pending_deliveries(c, name=name)
            await self._sql.drop_erased_events(c)
            await self._sql.enable_receiver(c, name=name)
            await self._sql.drop_pause(c, name=name)
            await self._audit.note(c, by, "webhook.removed", name, _audited(before.settings(0.0)), None)
        await self._changed()

    async def disable(self, name: str, reason: str, by: Actor) -> None:
        """Suspend sending to a receiver, in the settings or stored; what is pending waits."""
        async with self._connection.transaction() as c:
            await self._sql.disable_receiver(c, name=name, at=self._now(), reason=reason)
            await self._audit.note(c, by, "webhook.disabled", name, None, {"reason": reason})

    async def enable(self, name: str, by: Actor) -> None:
        """Resume sending to it, including what waited."""
        async with self._connection.transaction() as c:
            await self._sql.enable_receiver(c, name=name)
            await self._sql.drop_pause(c, name=name)
            await self._audit.note(c, by, "webhook.enabled", name)
        self.changes.tell()

    def _existing(self, name: str) -> StoredReceiver:
        found = self.find(name)
        if found is None:
            raise InputError(f"there is no receiver {name} in the store")
        return found

    async def _changed(self) -> None:
        await self.load()
        self.changes.tell()

    @property
    def _sql(self) -> Any:
        return self._connection.sql


def _json(events: tuple[str, ...]) -> str:
    return msgspec.json.encode(events).decode()


def _audited(receiver: WebhookSettings) -> dict[str, Any]:
    return {"url": shown_url(receiver.url), "events": list(receiver.events), "timeout_s": receiver.timeout_s}
