"""The part of the check about the dialplan as written: our file, its version, who asks, where calls end."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import RefusedError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.settings.toml import suggestion

CONTEXT: Final = "emocx-route"
#: The version that dialplan/emocx.conf of this release sets in EMOCX_CONF.
CONF_VERSION: Final = 3
#: The oldest version that still asks where the PBX has no name; version 3 gives the name (EMOCX_PBX).
OLDEST_CONF: Final = 2

_VERSION = re.compile(r"EMOCX_CONF=(\d+)")
_ASKS = re.compile(r"emocx-(route|listen)\b")
#: Finds where a caller goes without us: Gosub's argument, or a variable set to a name.
_DEFAULT = re.compile(r"emocx-(?:route|listen),s,1\(([^)$]*)\)|^EMOCX_(?:DEFAULT_)?QUEUE=([^$]*)$")


@dataclass(frozen=True, slots=True)
class Line:
    """One priority of the dialplan."""

    context: str
    application: str
    data: str

    @property
    def ours(self) -> bool:
        """Whether it stands in emocx.conf."""
        return self.context.startswith("emocx-") and self.context != "emocx-freepbx"


async def dialplan_lines(ami: Ami) -> list[Line]:
    """The whole dialplan.

    Raises:
        RefusedError: our permissions don't include `reporting`.
    """
    events = (await ami.action("ShowDialPlan", {})).events
    return [
        Line(e.get("Context", ""), e.get("Application", ""), e.get("AppData", ""))
        for e in events
        if e.get("Event") == "ListDialplan"
    ]


def conf_version(lines: Sequence[Line]) -> int | None:
    """The version of the emocx.conf that is loaded: 1 if it is older than versions, None if there is none."""
    if not any(line.context == CONTEXT for line in lines):
        return None
    return next((int(m[1]) for line in lines if line.ours and (m := _VERSION.search(line.data))), 1)


def fits(version: int | None, pbx: str) -> bool:
    """Whether an emocx.conf of that version can ask for a PBX of that name ("": one without a name)."""
    return version == CONF_VERSION or (not pbx and version == OLDEST_CONF)


def dialplan_findings(lines: Sequence[Line], queues: Collection[str], pbx: str = "") -> Iterator[Finding]:
    """Look at the lines; `queues` are those that Asterisk has, `pbx` is its name in the settings."""
    version = conf_version(lines)
    if version is None:
        yield Finding(
            "fail", "dialplan", f"there is no context {CONTEXT}",
            "include dialplan/emocx.conf in extensions.conf, then: dialplan reload",
        )  # fmt: skip
        return
    if not fits(version, pbx):
        age = "an older" if version < CONF_VERSION else "a newer"
        yield Finding(
            "fail", "dialplan",
            f"emocx.conf is of {age} version: {version}, this program's is {CONF_VERSION}",
            "copy dialplan/emocx.conf of this release over it, then: dialplan reload",
        )  # fmt: skip
    yield from _asked(lines)
    yield from _default_queues(lines, queues)
    if fits(version, pbx):
        yield Finding("ok", "dialplan", f"context {CONTEXT} is there, version {version}")


def _asked(lines: Sequence[Line]) -> Iterator[Finding]:
    if not any(_ASKS.search(line.data) for line in lines if not line.ours):
        yield Finding(
            "fail", "dialplan", f"nothing calls {CONTEXT} or emocx-listen: no caller is asked for",
            "ask before your Queue(), as dialplan/extensions-example.conf does",
        )  # fmt: skip


def _default_queues(lines: Sequence[Line], queues: Collection[str]) -> Iterator[Finding]:
    named: dict[str, str] = {}
    for line in lines:
        if not line.ours and (found := _DEFAULT.search(line.data)):
            name = (found[1] or found[2] or "").strip()
            if name:
                named.setdefault(name, line.context)
    for name, context in named.items():
        if queues and name not in queues:
            yield Finding(
                "fail", "dialplan",
                f"[{context}] sends callers to a default queue that Asterisk does not have:"
                f" {name}{suggestion(name, queues)}",
                "correct the argument of Gosub(), or add the queue to queues.conf",
            )  # fmt: skip


def gets_rule(lines: Sequence[Line]) -> bool:
    """Whether some Queue() is given the decision's rule; FreePBX's reads QRULE."""
    return any(
        "EMOCX_RULE" in line.data
        for line in lines
        if not line.ours and (line.application == "Queue" or line.data.startswith("QRULE="))
    )


async def visible_lines(ami: Ami) -> list[Line] | Finding:
    """The lines, or a finding that says what keeps us from seeing them."""
    try:
        return await dialplan_lines(ami)
    except RefusedError:
        return Finding(
            "warn", "dialplan", "not visible with our rights (reporting)",
            f"add reporting to the manager user's write line, or: asterisk -rx 'dialplan show {CONTEXT}'",
        )  # fmt: skip
