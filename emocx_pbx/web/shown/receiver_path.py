"""The address of a receiver's page, whatever the receiver's name is. Pure."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final
from urllib.parse import quote

BASE: Final = "/admin/webhooks/"
#: Names that an address can hold as they are; browsers would resolve "." and "..", and split at "/".
_PLAIN: Final = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9_.@ -]{1,64}\Z")
#: Prefix of the key of any other name: its UTF-8 in base64.
_CODED: Final = "="


def receiver_path(name: str) -> str:
    """Address of a receiver's page."""
    if _PLAIN.match(name):
        return BASE + quote(name, safe="@")
    coded = base64.urlsafe_b64encode(name.encode("utf-8", "surrogatepass")).decode().rstrip("=")
    return BASE + _CODED + coded


def receiver_name(key: str) -> str | None:
    """The receiver's name from the last part of an address; None if it is not an address of ours."""
    if not key.startswith(_CODED):
        return key
    coded = key.removeprefix(_CODED)
    try:
        raw = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
        return raw.decode("utf-8", "surrogatepass")
    except (binascii.Error, ValueError):
        return None
