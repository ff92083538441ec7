"""Deeds on receivers of events: added, changed, given a new secret, switched, tested, removed."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Awaitable, Callable, Collection

from emocx_pbx.errors import InputError, NotFoundError, SettingsError
from emocx_pbx.settings.settings import EVENT_TYPES, WebhookSettings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.webhooks.receivers import check_receivers
from emocx_pbx.webhooks.schedule import AttemptOutcome
from emocx_pbx.webhooks.signing import PREFIX


def described(name: str, url: str, events: Collection[str], timeout_s: float) -> WebhookSettings:
    """A receiver as described on a page or in a command, with a new secret.

    Raises:
        InputError: the name or address is invalid.
    """
    wanted = tuple(kind for kind in EVENT_TYPES if kind in events)
    receiver = WebhookSettings(name=name, url=url, secret=new_secret(), events=wanted, timeout_s=timeout_s)
    try:
        check_receivers([receiver])
    except SettingsError as error:
        # Without the location in a settings file, which means nothing here.
        raise InputError(
            str(error).partition("): ")[2] or str(error).partition(").")[2] or str(error)
        ) from None
    return receiver


async def add_receiver(store: Store, receiver: WebhookSettings, by: Actor) -> str:
    """Add a receiver; returns its secret, which is shown only once.

    Raises:
        InputError: the name is taken.
    """
    await store.receivers.add(receiver, by)
    return receiver.secret


async def change_receiver(store: Store, receiver: WebhookSettings, by: Actor) -> None:
    """Change the address, events or deadline of a receiver; the secret stays.

    Raises:
        InputError: the store has no receiver of that name.
    """
    await store.receivers.change(receiver, by)


async def rotate_secret(store: Store, name: str, overlap_s: float, by: Actor) -> str:
    """Make a new secret, shown only once; for a while the old one signs too.

    Raises:
        InputError: the store has no receiver of that name.
    """
    secret = new_secret()
    await store.receivers.rotate(name, secret, overlap_s, by)
    return secret


async def switch_receiver(store: Store, name: str, by: Actor, *, on: bool, reason: str = "") -> None:
    """Suspend sending to a receiver, or resume it, including what waited.

    Raises:
        NotFoundError: there is no such receiver.
    """
    _known(store, name)
    if on:
        await store.receivers.enable(name, by)
    else:
        await store.receivers.disable(name, reason or f"switched off by {by.name}", by)


async def remove_receiver(store: Store, name: str, by: Actor) -> None:
    """Remove a stored receiver with its pending deliveries.

    Raises:
        InputError: the store has no receiver of that name.
    """
    await store.receivers.remove(name, by)


async def probe_receiver(
    store: Store, name: str, send: Callable[[str], Awaitable[AttemptOutcome]], by: Actor
) -> AttemptOutcome:
    """Send a receiver a signed test event now.

    Raises:
        NotFoundError: there is no such receiver.
    """
    _known(store, name)
    outcome = await send(name)
    await store.audit.add(by, "webhook.tested", name, None, {"status": outcome.status})
    return outcome


def new_secret() -> str:
    """A random secret in the form of Standard Webhooks."""
    return PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()


def _known(store: Store, name: str) -> None:
    if not any(receiver.name == name for receiver in store.receivers.current()):
        raise NotFoundError(f"there is no receiver {name}")
