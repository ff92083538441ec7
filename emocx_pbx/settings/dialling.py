"""The settings' section [dialling]: whom the service may call, no matter who asks."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=1, le=100_000)]
Prefix = Annotated[str, Meta(pattern=r"^\+[1-9][0-9]{0,13}\Z")]
Region = Annotated[str, Meta(pattern=r"^[A-Z]{2}\Z")]
NumberType = Literal[
    "fixed_line", "mobile", "voip", "toll_free", "personal_number", "uan", "pager", "shared_cost"
]


class DiallingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Whom the service may call back, for chat and API alike; never premium rates or emergency numbers."""

    country: Annotated[str, Meta(pattern=r"^([A-Z]{2}|\+[1-9][0-9]{0,2})?\Z")] = ""
    """Country of numbers without a country code, e.g. "DE" or "+49"; empty: such numbers are refused."""
    regions: tuple[Region, ...] = ()
    """Countries that may be called, e.g. ["DE", "AT"]; empty: the one above, or, without that, none."""
    types: tuple[NumberType, ...] = ("fixed_line", "mobile", "voip")
    """Kinds of numbers that may be called."""
    prefixes: tuple[Prefix, ...] = ()
    """If any are given, numbers must begin with one of these, e.g. ["+4930"]."""
    blocked: tuple[Prefix, ...] = ()
    """Numbers that are never called, by how they begin, e.g. ["+4932"]."""
    calls_per_hour: Count = 60
    """Calls per hour, from pages, API and chat together."""
    number_cooldown_s: Annotated[float, Meta(ge=10, le=86400)] = 600.0
    """The same number is called at most once in this many seconds."""
    pbx: str = ""
    """Name of the PBX that places calls, if there are several; empty: the first in the file."""
    supervisors: bool = False
    """Whether supervisors may place calls through the API, as administrators and tokens with calls:place
    may."""


def dialling_problems(dialling: DiallingSettings, *, call_backs: bool) -> list[tuple[str, str]]:
    """Place and problem of settings that are wrong in themselves, or for a chat that calls back."""
    found = []
    if call_backs and not (dialling.country or dialling.regions):
        found.append(("chat.call_backs", "needs dialling.country or dialling.regions: whom may it call?"))
    for i, prefix in enumerate(dialling.prefixes):
        if any(prefix.startswith(blocked) for blocked in dialling.blocked):
            found.append((f"dialling.prefixes[{i}]", f"{prefix} is in dialling.blocked too"))
    if dialling.country or dialling.regions:
        from phonenumbers import SUPPORTED_REGIONS  # only where it is needed: most commands call nobody

        named = {f"dialling.regions[{i}]": region for i, region in enumerate(dialling.regions)}
        named["dialling.country"] = dialling.country
        found += [
            (place, f"{region} is no country's code, expected one like DE")
            for place, region in named.items()
            if region and not region.startswith("+") and region not in SUPPORTED_REGIONS
        ]
    return found
