"""Whether a controller reaches a PBX: by its link while it acts, by one that it tries while it stands by."""

from __future__ import annotations

from typing import Final

import structlog

from emocx_pbx.errors import EmocxError
from emocx_pbx.pbx.ami.once import try_link
from emocx_pbx.service.pbxes import Pbxes
from emocx_pbx.settings.settings import AsteriskSettings

log = structlog.get_logger()

#: Seconds that a try may take: meanwhile nobody looks whether the lease is free.
TRIED_S: Final = 2.0


class PbxReach:
    """One for each PBX of the settings."""

    def __init__(self, settings: AsteriskSettings, pbxes: Pbxes) -> None:
        self._settings, self._pbxes = settings, pbxes

    @property
    def linked(self) -> bool:
        """Whether the link to it is up."""
        side = self._pbxes.by_name.get(self._settings.name)
        return side is not None and side.ami.state.up

    async def tried(self) -> bool:
        """Whether a link can be made: connected and logged in."""
        try:
            await try_link(self._settings, TRIED_S)
        except EmocxError as error:
            log.info("not reached either", key="lease.unreached", pbx=self._settings.name, why=str(error))
            return False
        return True
