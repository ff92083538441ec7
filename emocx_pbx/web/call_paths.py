"""Addresses with a call's id in them, which has a slash where its PBX has a name: `berlin/1795512460.12`.

Links write it as %2F. A proxy in front may have read that as a slash before we see it, so both are taken.
What follows a name must look like a Uniqueid, so that no other page is taken for a call. Pure.
"""

from __future__ import annotations

from typing import Final

from emocx_pbx.call_ids import PBX_NAME

#: As aiohttp's routes write it; it holds for the path as it was sent, before %2F is read.
CALL_ID: Final = (
    rf"{{call_id:{PBX_NAME}/(?:[^{{}}/]*[0-9]\.[0-9]+|emocx-call-[0-9a-f-]+)|[^{{}}/]+}}".replace(
        "{0,31}", "*"
    )
)


def with_call_ids(path: str) -> str:
    """A route's path, with calls' ids as they may come."""
    return path.replace("{call_id}", CALL_ID)
