"""What an Asterisk version can do for us: one table, from reading the source of every release tag."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

TapMode = Literal["stereo", "dual", "customer", "off"]

#: First minor release of each branch that has a capability; a newer branch than listed has them all,
#: a branch left out has it in no release.
FIRST_RELEASE: Mapping[str, Mapping[int, int]] = {
    # chan_audiosocket and app_audiosocket (not in 16 or 17, whatever other READMEs say).
    "audiosocket": {18: 0, 19: 0, 20: 0, 21: 0, 22: 0, 23: 0},
    # ChanSpy option D: customer left, agent right, in one socket.
    "stereo_tap": {18: 22, 20: 7, 21: 2, 22: 0, 23: 0},
    # ChanSpy option o without crackling (its queue was flushed from one direction only).
    "clean_one_sided_tap": {18: 25, 20: 10, 21: 5, 22: 0, 23: 0},
    # AudioSocket() lets the dialplan go on after the server ends it; a peer silent for 2 s ends it.
    "session_end_continues": {20: 14, 21: 9, 22: 4, 23: 0},
    # A message that TCP splits is read whole (header: the next line).
    "split_payload_read": {20: 15, 21: 10, 22: 5, 23: 0},
    "split_header_read": {20: 19, 22: 9, 23: 3},
    # Event filters by name and header instead of regular expressions.
    "advanced_event_filter": {18: 26, 20: 11, 21: 6, 22: 1, 23: 0},
}
NEWEST_BRANCH = 23
#: Branches that upstream no longer fixes; they work, but their users should know.
OLD_BRANCHES = frozenset({18, 19, 21})


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What one Asterisk can do."""

    version: tuple[int, int] | None
    """Branch and minor release; None for a development build or an unreadable version."""
    audiosocket: bool
    stereo_tap: bool
    clean_one_sided_tap: bool
    session_end_continues: bool
    split_payload_read: bool
    split_header_read: bool
    advanced_event_filter: bool

    @property
    def tap(self) -> TapMode:
        """The best way to tap its calls."""
        if self.stereo_tap:
            return "stereo"
        if not self.audiosocket:
            return "off"
        # Two crackling taps are worse than one: without clean audio only the customer is heard.
        return "dual" if self.clean_one_sided_tap else "customer"


def parse(version: str) -> tuple[int, int] | None:
    """Branch and minor release of `22.10.1~dfsg-1`, `certified/20.7-cert3`, `Asterisk 20.13.0`.

    None for development builds (`GIT-master-1a2b3c`) and whatever else has no release number.
    """
    if "GIT-" in version or "SVN-" in version:
        return None
    match = re.search(r"(?<![\d.])(\d{2})\.(\d{1,3})(?!\d)", version)
    return (int(match[1]), int(match[2])) if match else None


def capabilities(version: str) -> Capabilities:
    """The capabilities of an Asterisk by its version string.

    A development build is taken for the newest; an unreadable version for one that can do nothing but
    the customer's one-sided tap.
    """
    parsed = parse(version)

    def has(name: str) -> bool:
        if parsed is None:
            return "GIT-" in version or name == "audiosocket"
        branch, minor = parsed
        if branch > NEWEST_BRANCH:
            return True
        first = FIRST_RELEASE[name].get(branch)
        return first is not None and minor >= first

    return Capabilities(parsed, **{name: has(name) for name in FIRST_RELEASE})


def tap_mode(setting: str, version: str) -> TapMode:
    """The tap to use: what the setting says, or by the version for `auto`."""
    match setting:
        case "stereo" | "dual" | "customer" | "off":
            return setting
        case _:
            return capabilities(version).tap
