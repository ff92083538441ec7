"""What Asterisk says of itself by AMI's Getvar: globals, functions, and through them modules and files.

Getvar needs only the permission `call`, which taps need anyway; a function that is not loaded reads as empty.
"""

from __future__ import annotations

import re

from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.ami import Ami

#: More lines with one name in a section than any manager user has.
_MOST_LINES = 40


class AsteriskValues:
    """Reads values from a connected Asterisk."""

    def __init__(self, ami: Ami) -> None:
        self._ami = ami

    async def get(self, name: str, channel: str = "") -> str | None:
        """A variable or function, of a channel or global; empty if unset, None if it can't be read."""
        fields = {"Variable": name} | ({"Channel": channel} if channel else {})
        try:
            return (await self._ami.action("Getvar", fields)).headers.get("Value", "")
        except (RefusedError, PeerUnavailable):
            return None

    async def has_module(self, module: str) -> bool | None:
        """Whether a module is loaded, by its name without `.so`; None if that can't be seen."""
        answer = await self.get(f"IFMODULE({module}.so)")
        return answer == "1" if answer else None

    async def has_context(self, context: str) -> bool | None:
        """Whether the dialplan has a context; None if that can't be seen."""
        if not re.fullmatch(r"[\w.-]+", context):
            return None
        answer = await self.get(f"DIALPLAN_EXISTS({context})")
        return answer == "1" if answer else None

    async def config(self, file: str, section: str, name: str) -> list[str]:
        """The values of all lines of one name in a section of a file of Asterisk's, in order.

        Empty also without func_config, and for names that can't be asked for.
        """
        # Each request for a function that is not there leaves an ERROR in Asterisk's log.
        if re.search(r"[,$\n\r\\\"]", section) or await self.has_module("func_config") is False:
            return []
        found: list[str] = []
        while len(found) < _MOST_LINES:
            value = await self.get(f"AST_CONFIG({file},{section},{name},{len(found)})")
            if not value:
                break
            found.append(value)
        return found
