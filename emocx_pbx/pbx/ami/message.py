"""What goes over the AMI link, as plain values: checked actions, responses, the link's state, restarts."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from emocx_pbx.errors import ProtocolError

MAX_LINE: Final = 1_000
"""Bytes of `Key: value`; Asterisk drops what does not fit its line buffer of 1024 (main/manager.c)."""
MAX_LINES: Final = 120
"""Lines of an action; Asterisk takes 128 headers (AST_MAX_MANHEADERS)."""

BACKOFF_FIRST_S: Final = 0.5
BACKOFF_CAP_S: Final = 4.0
"""Seconds between attempts: without a link, calls are answered unseen; an attempt costs next to nothing."""
REFUSED_CAP_S: Final = 30.0
"""Seconds between attempts after our login was refused, as Asterisk may count those."""

UPTIME_SLACK_S: Final = 3.0
"""Tolerance in seconds: Asterisk gives its uptime in whole seconds, and the answer takes a moment."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_BREAKS = re.compile(r"[\r\n\0]")


@dataclass(frozen=True, slots=True)
class AmiResponse:
    """Asterisk's answer to one action; repeated headers are joined by newlines, which no value can hold."""

    headers: dict[str, str]
    """The response itself."""
    events: tuple[dict[str, str], ...] = ()
    """For list actions, the items and the closing `...Complete` event, in order."""


@dataclass(frozen=True, slots=True)
class LinkState:
    """The link to Asterisk went up or down."""

    up: bool
    version: str = ""
    """Asterisk's version while up, such as 22.10.1; empty if it can't be known."""
    restarted: bool = False
    """Asterisk itself was restarted since the link was up last, so all calls known before are gone."""
    reason: str = ""
    """Why the link is down, one line."""


@dataclass(frozen=True, slots=True)
class Birth:
    """When this Asterisk process was started, as far as its AMI user may know."""

    started: str | None
    """CoreStartupDate and CoreStartupTime; needs write=system or reporting."""
    uptime_s: float | None
    """Uptime of FullyBooted; needs read=system."""
    at: float
    """When that was read, seconds of a monotonic clock."""

    def differs_from(self, earlier: Birth) -> bool:
        """Whether Asterisk was restarted since `earlier`; False if that can't be known."""
        if self.started is not None and earlier.started is not None:
            return self.started != earlier.started
        if self.uptime_s is not None and earlier.uptime_s is not None:
            expected = earlier.uptime_s + (self.at - earlier.at)
            return self.uptime_s < expected - UPTIME_SLACK_S
        return False


def checked_action(name: str, fields: Mapping[str, str | list[str]]) -> dict[str, str | list[str]]:
    """The action's headers, sure to arrive at Asterisk as this one action.

    Raises:
        ProtocolError: a name or value would be read as something else (line breaks inject headers), is
            longer than Asterisk takes, or Setvar names no channel (it would set a global variable).
    """
    action: dict[str, str | list[str]] = {"Action": name, **fields}
    lines = 0
    for key, value in action.items():
        if not _NAME.fullmatch(key):
            raise ProtocolError(f"AMI {name!r}: {key!r} is not a header name")
        for part in [value] if isinstance(value, str) else value:
            lines += 1
            if _BREAKS.search(part):
                raise ProtocolError(f"AMI {name!r}: line break in {key}")
            try:
                size = len(key) + len(part.encode())
            except UnicodeEncodeError:
                raise ProtocolError(f"AMI {name!r}: {key} is not text") from None
            if size > MAX_LINE:
                raise ProtocolError(f"AMI {name!r}: {key} is longer than Asterisk takes")
    if not name or lines > MAX_LINES:
        raise ProtocolError(f"AMI {name!r}: {lines} lines, expected 1 to {MAX_LINES}")
    if name.lower() == "setvar":
        channels = [value for key, value in fields.items() if key.lower() == "channel"]
        if not channels or not all(isinstance(c, str) and c.strip() for c in channels):
            raise ProtocolError("AMI 'Setvar': no channel; it would set a global variable")
    return action


def asterisk_version(core_version: str, banner: str) -> str:
    """Asterisk's version as plain numbers.

    Args:
        core_version: AsteriskVersion of CoreSettings, such as `22.10.1` or `20.13.0~dfsg+~cs6`; or empty.
        banner: the AMI version; its major number is Asterisk's less 11 (9 with 20, 11 with 22), which
            gives the oldest version it can be when CoreSettings was refused.
    """
    found = re.search(r"[0-9]+(\.[0-9]+)+", core_version)
    if found:
        return found.group()
    major = re.match(r"[0-9]{1,4}(?=\.|\Z)", banner)
    return f"{int(major[0]) + 11}.0.0" if major and int(major[0]) >= 7 else ""


def backoff(failures: int, rng: random.Random, cap_s: float = BACKOFF_CAP_S) -> float:
    """Seconds to wait after this many failures in a row: doubling, capped, jittered by up to half."""
    ceiling = min(cap_s, BACKOFF_FIRST_S * 2.0 ** min(failures - 1, 10))
    return ceiling * (0.5 + 0.5 * rng.random())
