"""The question of the check, and its answer: both ends must know them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

CHECK_PATH: Final = "/check"
"""What emocx-check of the dialplan asks."""
CHECK_ANSWER: Final[Mapping[str, str]] = MappingProxyType({"EMOCX_DECISION": "check", "EMOCX_STATUS": "ok"})
"""It decides nothing; EMOCX_STATUS comes last, as with every answer."""
