"""Checks receivers' settings before anything is queued for them."""

from __future__ import annotations

from collections.abc import Sequence

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.receiver_url import parse_receiver_url
from emocx_pbx.settings.settings import EVENT_TYPES, WebhookSettings
from emocx_pbx.webhooks.signing import check_secret


def check_receivers(receivers: Sequence[WebhookSettings]) -> None:
    """Refuse receivers with the same name, a wrong address or secret, or unknown event types.

    Raises:
        SettingsError: says which receiver and what was expected; never shows a secret.
    """
    seen: set[str] = set()
    for number, receiver in enumerate(receivers):
        where = f"webhooks[{number}] ({receiver.name or 'no name'})"
        if not receiver.name or receiver.name in seen:
            raise SettingsError(f"{where}: expected a name of its own")
        seen.add(receiver.name)
        try:
            parse_receiver_url(receiver.url)
        except ValueError as error:
            raise SettingsError(f"{where}.url: {error}") from error
        for secret in secrets_of(receiver) or [""]:
            check_secret(secret, f"{where}.secret")
        unknown = sorted(set(receiver.events) - set(EVENT_TYPES))
        if unknown:
            raise SettingsError(
                f"{where}.events: {unknown[0]!r} is unknown, expected of {', '.join(EVENT_TYPES)}"
            )


def secrets_of(receiver: WebhookSettings) -> list[str]:
    """The receiver's secrets: one, or during a rotation the new and the old one, separated by a space."""
    return receiver.secret.split()
