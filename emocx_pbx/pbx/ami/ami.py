"""What parts need from the link to Asterisk: sending an action. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from emocx_pbx.pbx.ami.message import AmiResponse


class Ami(Protocol):
    """Whoever sends actions to Asterisk: the gateway, or a fake."""

    async def action(
        self, name: str, fields: Mapping[str, str | list[str]] | None = None, deadline_s: float | None = None
    ) -> AmiResponse:
        """Send an action and await its answer; raises as AmiGateway.action."""
