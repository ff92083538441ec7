"""What the pool passes to a worker at its start: JSON on its command line, or on its stdin."""

from __future__ import annotations

import msgspec

from emocx_pbx.settings.settings import AnalysisSettings, LogSettings


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's part of the settings."""

    settings: AnalysisSettings = AnalysisSettings()
    topics: dict[str, tuple[str, ...]] = {}
    """The policy's topics: example sentences by name."""
    index: int = 0
    """Which worker of the pool this is."""
    log: LogSettings = LogSettings()
    standby: bool = False
    """Load the models and wait for TakePlace."""
    store_words: bool = False
    """Whether what customers say in calls is kept: else no words leave the process that hears them."""

    @property
    def port(self) -> int:
        """To listen on, of its place among the workers; 0: any free one."""
        return self.settings.base_port and self.settings.base_port + self.index
