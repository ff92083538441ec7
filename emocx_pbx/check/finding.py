"""One finding of the check: what was looked at, what state it is in, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Level = Literal["ok", "warn", "fail"]

Role = Literal["all", "web"]
"""What a host is for; web: only pages and API."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of `emocx-pbx check`."""

    level: Level
    """warn: works, but not fully or not for sure; fail: calls will lack something promised."""
    topic: str
    """What was looked at, in a word or two."""
    what: str
    """What was found, one sentence."""
    remedy: str = ""
    """What to do; empty if nothing."""


def of_pbx(finding: Finding, pbx: str) -> Finding:
    """The finding, said of the PBX with that name; unchanged without a name."""
    return replace(finding, topic=f"{finding.topic} ({pbx})") if pbx else finding
