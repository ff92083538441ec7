"""Newly read settings against running ones: what is taken over, and what needs a restart."""

from __future__ import annotations

import msgspec
import pytest

from emocx_pbx.settings.reload import LIVE, difference
from emocx_pbx.settings.settings import (
    AgiSettings,
    ChatSettings,
    HttpSettings,
    LogSettings,
    PrivacySettings,
    RoutingSettings,
    Settings,
    WebhookSettings,
)

RUNNING = Settings(directory="/etc/emocx-pbx")
HOOK = WebhookSettings(name="crm", url="https://crm.example/", secret="whsec_" + "A" * 32)


def read(**sections: object) -> Settings:
    return msgspec.structs.replace(RUNNING, **sections)


def test_nothing_changed() -> None:
    found = difference(RUNNING, RUNNING)
    assert (found.in_force, found.taken, found.restart) == (RUNNING, (), ())


@pytest.mark.parametrize(
    ("section", "value", "taken"),
    [
        ("routing", RoutingSettings(mode="monitor", holdout=0.1), ("routing.mode", "routing.holdout")),
        ("routing", RoutingSettings(policy="other.toml", rank=False), ("routing.policy", "routing.rank")),
        ("webhooks", (HOOK,), ("webhooks",)),
        ("chat", ChatSettings(mode="public", title="Hello"), ("chat.mode", "chat.title")),
        ("privacy", PrivacySettings(store_query_text=True), ("privacy.store_query_text",)),
        ("log", LogSettings(level="debug"), ("log.level",)),
    ],
)
def test_what_is_taken_over(section: str, value: object, taken: tuple[str, ...]) -> None:
    found = difference(RUNNING, read(**{section: value}))
    assert getattr(found.in_force, section) == value
    assert (found.taken, found.restart) == (taken, ())


def test_what_needs_a_restart_is_named_and_stays_as_it_runs() -> None:
    new = read(http=HttpSettings(port=9000), agi=AgiSettings(port=4600), log=LogSettings(level="error"))
    found = difference(RUNNING, new)
    assert found.in_force == read(log=LogSettings(level="error"))
    assert (found.taken, found.restart) == (("log.level",), ("agi.port", "http.port"))
    again = difference(found.in_force, new)
    assert (again.taken, again.restart) == ((), ("agi.port", "http.port"))


def test_whatever_differs_is_taken_over_or_named() -> None:
    """A section that comes new to the settings can't be forgotten here."""
    for section in Settings.__struct_fields__:
        table = getattr(RUNNING, section)
        if not isinstance(table, msgspec.Struct):
            continue
        for name in table.__struct_fields__:
            changed = read(**{section: msgspec.structs.replace(table, **{name: object()})})
            found = difference(RUNNING, changed)
            place = f"{section}.{name}"
            assert (*found.taken, *found.restart) == (place,)
            assert (place in found.taken) == (place in LIVE or section in LIVE)


def test_names_of_what_is_live_are_names_of_settings() -> None:
    for place in LIVE:
        section, _, name = place.partition(".")
        assert section in Settings.__struct_fields__
        assert not name or name in getattr(RUNNING, section).__struct_fields__
