"""A FastAGI request that another process took: its channel can't be asked, so its variables came along."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.agi.server import AgiRequest

_QUESTION: Final = re.compile(r"[0-9a-f]{32}")


class ForwardedRequest(AgiRequest):
    """One call's request, from the door on its PBX."""

    def __init__(self, env: dict[str, str], variables: Mapping[str, str], question: str = "") -> None:
        """Take it.

        Args:
            env: its agi_ variables.
            variables: of the caller's channel.
            question: names it, whoever else is asked the same; what is no such name names nothing.
        """
        super().__init__(env, cast(Any, None))
        self._variables = variables
        self.question = question if _QUESTION.fullmatch(question) else ""

    async def get_variable(self, name: str) -> str:
        """One of those that came along.

        Raises:
            ProtocolError: it did not.
        """
        try:
            return self._variables[name]
        except KeyError:
            raise ProtocolError(f"the door did not send {name}") from None
