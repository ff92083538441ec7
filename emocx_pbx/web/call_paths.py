"""Addresses with a call's id in them, which has a slash if its PBX has a name: `berlin/1795512460.12`.

Links encode it as %2F. A proxy in front may have decoded that to a slash before we see it, so both are
accepted. What follows a name must look like a Uniqueid, so that no other page is mistaken for a call. Pure.
"""

from __future__ import annotations

from typing import Final

from emocx_pbx.call_ids import PBX_NAME

#: In the syntax of aiohttp's routes; it applies to the path as it was sent, before %2F is decoded.
CALL_ID: Final = (
    rf"{{call_id:{PBX_NAME}/(?:[^{{}}/]*[0-9]\.[0-9]+|emocx-call-[0-9a-f-]+)|[^{{}}/]+}}".replace(
        "{0,31}", "*"
    )
)


def with_call_ids(path: str) -> str:
    """A route's path, matching calls' ids in both forms."""
    return path.replace("{call_id}", CALL_ID)
