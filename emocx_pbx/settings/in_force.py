"""The settings in force: one object for all parts that must see a reload."""

from __future__ import annotations

from emocx_pbx.settings.settings import Settings


class SettingsInForce:
    """Holds the settings that are in force now; ask it each time, as a reload changes them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @property
    def settings(self) -> Settings:
        """The present ones."""
        return self._settings

    def put(self, settings: Settings) -> None:
        """From now on these are in force."""
        self._settings = settings
