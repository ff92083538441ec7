"""The agents' telephones, which can be switched off and on."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from emocx_pbx.lab.host import THIS_MACHINE, Host
from emocx_pbx.lab.sip import SippAgents


class Telephones:
    """All agents' telephones on one UDP port, answering at once with a recording."""

    def __init__(self, port: int, recording: Path, host: Host = THIS_MACHINE) -> None:
        self._port, self._recording, self._host = port, recording, host
        self._sipp = self._new()

    async def __aenter__(self) -> Telephones:
        await self._sipp.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._sipp.stop()

    async def restart(self) -> None:
        """End all their calls without a word, and begin anew."""
        await self._sipp.stop()
        self._sipp = self._new()
        await self._sipp.start()

    def _new(self) -> SippAgents:
        return SippAgents(self._port, self._recording, answer_s=0.1, host=self._host)
