"""The settings' tables [[webhooks]]: who receives events."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from emocx_pbx.settings.bounds import Seconds
from emocx_pbx.settings.receiver_url import parse_receiver_url
from emocx_pbx.settings.toml import suggestion

#: Event types a webhook may ask for.
EVENT_TYPES = (
    "query.routed",
    "call.started",
    "call.reading",
    "reading.revised",
    "call.alert",
    "call.graded",
    "grade.revised",
    "call.ended",
    "customer.erased",
)


class WebhookSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One receiver of events."""

    name: str
    """Unique name, used by `webhooks list` and `replay`."""
    url: str
    """http(s) address that gets the POSTs."""
    secret: str
    """`whsec_` + base64 of 24 to 64 random bytes; in a rotation two, separated by a space."""
    events: tuple[str, ...] = ()
    """Event types wanted, e.g. ["call.graded"]; empty: all except those of readings."""
    timeout_s: Seconds = 15.0
    """Seconds that one attempt may take."""


def webhook_problems(webhooks: Sequence[WebhookSettings]) -> list[tuple[str, str]]:
    """Place and problem of what is wrong with a receiver."""
    found: list[tuple[str, str]] = []
    names = [hook.name for hook in webhooks]
    for i, hook in enumerate(webhooks):
        place = f"webhooks[{i}]"
        if not hook.name or hook.name in names[:i]:
            found.append((f"{place}.name", f"expected a unique name, got {hook.name!r}"))
        try:
            parse_receiver_url(hook.url)
        except ValueError as error:
            found.append((f"{place}.url", str(error)))
        if not all(_is_webhook_secret(secret) for secret in hook.secret.split() or [""]):
            found.append(
                (
                    f"{place}.secret",
                    "expected whsec_ and the base64 of 24 to 64 random bytes, got something else",
                )
            )
        found += [
            (f"{place}.events", f"{event!r} is no event type{suggestion(event, EVENT_TYPES)}")
            for event in hook.events
            if event not in EVENT_TYPES
        ]
    return found


def _is_webhook_secret(secret: str) -> bool:
    """Standard Webhooks: `whsec_` + base64 of 24 to 64 bytes."""
    try:
        return secret.startswith("whsec_") and 24 <= len(base64.b64decode(secret[6:], validate=True)) <= 64
    except binascii.Error:
        return False
