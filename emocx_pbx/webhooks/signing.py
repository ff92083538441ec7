"""Signatures according to Standard Webhooks 1.0, over the exact bytes that are sent."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from emocx_pbx.errors import SettingsError

PREFIX: Final = "whsec_"

#: Lengths, in bytes, of a secret's random part that the specification allows.
SECRET_BYTES: Final = (24, 64)


def check_secret(secret: str, where: str) -> None:
    """Refuse a secret that is not `whsec_` + base64 of 24 to 64 bytes.

    Raises:
        SettingsError: the secret is wrong; names `where`, and shows nothing of the secret.
    """
    least, most = SECRET_BYTES
    try:
        if not secret.startswith(PREFIX):
            raise ValueError
        size = len(base64.b64decode(secret.removeprefix(PREFIX), validate=True))
    except (ValueError, binascii.Error):
        size = 0
    if not least <= size <= most:
        raise SettingsError(f"{where}: expected `{PREFIX}` + base64 of {least} to {most} random bytes")


def headers(event_id: str, body: str, secrets: Sequence[str], at: float) -> dict[str, str]:
    """The signed headers of one attempt.

    Args:
        event_id: Constant over all attempts: the receiver's idempotency key.
        body: What is sent, encoded as UTF-8.
        secrets: The receiver's secret; during a rotation the new and the old one.
        at: Unix seconds of this attempt.
    """
    # standardwebhooks overwrites the time zone with UTC: anything but an aware UTC time is signed wrongly.
    moment = datetime.fromtimestamp(math.floor(at), UTC)
    signatures = [Webhook(secret).sign(event_id, moment, body) for secret in secrets]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(math.floor(at)),
        "webhook-signature": " ".join(signatures),
        "content-type": "application/json",
    }
