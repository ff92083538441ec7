"""Which newly read settings a running service takes over, and which need a restart. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from emocx_pbx.settings.settings import Settings

#: Sections, and single settings, that a running service takes over; all others need a restart.
LIVE: Final = frozenset(
    {
        "analysis.line_mix",
        "analysis.sites",
        "routing.policy",
        "routing.mode",
        "routing.holdout",
        "routing.rank",
        "routing.upset_threshold",
        "webhooks",
        "chat",
        "privacy",
        "log",
    }
)


@dataclass(frozen=True, slots=True)
class Difference:
    """Running settings compared with newly read ones."""

    in_force: Settings
    """The running ones with everything new that can be taken over."""
    taken: tuple[str, ...]
    """What is taken over, such as `routing.mode` or `webhooks`, in the order of the settings."""
    restart: tuple[str, ...]
    """What differs but applies only after a restart; said at every reload until then."""


def difference(running: Settings, read: Settings) -> Difference:
    """What changes without a restart, and what does not."""
    taken: list[str] = []
    restart: list[str] = []
    in_force: dict[str, Any] = {}
    for section in Settings.__struct_fields__:
        old, new = getattr(running, section), getattr(read, section)
        if old == new:
            continue
        if not isinstance(old, msgspec.Struct):
            # Receivers and PBXes as a whole; where the file is only says how paths are meant.
            (taken if section in LIVE else restart).append("asterisk" if section == "pbxes" else section)
            in_force |= {section: new} if section in LIVE else {}
            continue
        places = {
            name: f"{section}.{name}"
            for name in old.__struct_fields__
            if getattr(old, name) != getattr(new, name)
        }
        live = [name for name, place in places.items() if place in LIVE or section in LIVE]
        taken += [places[name] for name in live]
        restart += [place for name, place in places.items() if name not in live]
        in_force[section] = msgspec.structs.replace(old, **{name: getattr(new, name) for name in live})
    return Difference(msgspec.structs.replace(running, **in_force), tuple(taken), tuple(restart))
