"""The settings' section [asterisk]: the link to a PBX; of several PBXes, each has its own."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

from emocx_pbx.call_ids import PBX_NAME
from emocx_pbx.settings.bounds import Port, Seconds


class AsteriskSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The AMI link to the PBX. Several PBXes: `[[asterisk]]` for each, with its name."""

    name: str = ""
    """Name of the PBX: up to 32 of a to z, 0 to 9 and -. Its calls' ids begin with it, as in
    `berlin/1795512460.12`. Of several PBXes, one may have no name."""
    host: str = "127.0.0.1"
    """Where Asterisk's manager interface listens."""
    port: Port = 5038
    """Its port (5039 is customary with TLS)."""
    username: str = "emocx"
    """The manager user (see dialplan/manager-emocx.conf)."""
    secret: str = ""
    """The manager user's secret."""
    auth: Literal["md5", "plain"] = "md5"
    """Login by challenge (the secret never crosses the wire) or plain."""
    tls: bool = False
    """Connect by TLS."""
    tls_ca: str = ""
    """File of the CA that signed Asterisk's certificate; empty: the system's."""
    tap: Literal["auto", "stereo", "dual", "customer", "off"] = "auto"
    """How calls are tapped; auto chooses by Asterisk's version."""
    action_timeout_s: Seconds = 5.0
    """Seconds that an AMI action may take."""
    ping_s: Seconds = 5.0
    """Seconds between pings; an unanswered one ends the link."""
    callback_channel: str = "Local/{number}@emocx-callback/n"
    """Channel dialled to call a customer back; {number} is the checked number."""
    agent_name_regex: str = ""
    """Optional regular expression with one group that finds an agent's id in MemberName or Interface."""


def asterisk_problems(pbxes: Sequence[AsteriskSettings], *, listed: bool) -> list[tuple[str, str]]:
    """Place and problem of what is wrong in the sections; `listed`: they are tables [[asterisk]]."""
    found: list[tuple[str, str]] = []
    names: list[str] = []
    for number, pbx in enumerate(pbxes):
        place = f"asterisk[{number}]" if listed else "asterisk"
        found += [(f"{place}.{name}", problem) for name, problem in _problems(pbx)]
        if pbx.name in names:
            found.append((f"{place}.name", f"expected names that differ, got {pbx.name!r} again"))
        names.append(pbx.name)
    return found


def _problems(asterisk: AsteriskSettings) -> Iterator[tuple[str, str]]:
    """Setting and problem."""
    if asterisk.name and not re.fullmatch(PBX_NAME, asterisk.name):
        yield "name", f"expected up to 32 of a to z, 0 to 9 and -, the first no -; got {asterisk.name!r}"
    if "{number}" not in asterisk.callback_channel:
        yield "callback_channel", "expected {number} somewhere in it"
    try:
        groups = re.compile(asterisk.agent_name_regex).groups
        if asterisk.agent_name_regex and groups != 1:
            yield "agent_name_regex", f"expected exactly one group, got {groups}"
    except re.error as e:
        yield "agent_name_regex", f"is not a regular expression: {e}"


def pbx_variables(pbxes: Sequence[AsteriskSettings]) -> dict[str, tuple[int, str]]:
    """Environment variables that set tables [[asterisk]], each with the table's number and the setting's
    name.

    EMOCX_ASTERISK_BERLIN_SECRET is `secret` of `berlin`; the PBX without a name has EMOCX_ASTERISK_SECRET.
    """
    found = {}
    for number, pbx in enumerate(pbxes):
        of = f"EMOCX_ASTERISK_{pbx.name}" if pbx.name else "EMOCX_ASTERISK"
        for name in pbx.__struct_fields__:
            if name != "name":
                found[re.sub("[^A-Z0-9]", "_", f"{of}_{name}".upper())] = (number, name)
    return found
