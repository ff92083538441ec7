"""A FastAGI request that another process took: its channel can't be asked, so its variables came along."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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

    async def get_variables(self, names: Sequence[str]) -> dict[str, str]:
        """Those that came along.

        Raises:
            ProtocolError: one did not.
        """
        try:
            return {name: self._variables[name] for name in names}
        except KeyError as missing:
            raise ProtocolError(f"the door did not send {missing.args[0]}") from None
