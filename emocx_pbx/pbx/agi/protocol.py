"""What FastAGI says, as plain values: the opening block, replies, and values safe to set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from emocx_pbx.errors import ProtocolError

MAX_OPENING_LINES: Final = 200
"""Asterisk sends about 22 lines and up to 128 arguments."""
MAX_OPENING: Final = 32_768
MAX_REPLY: Final = 65_536
"""Bytes of one reply; a variable may well hold a long text with line breaks."""
MAX_VALUE: Final = 1_024
"""Bytes of a value we set."""
MAX_COMMAND: Final = 1_900
"""Bytes of a command; Asterisk's AGI line buffer is 2048 (AGI_BUF_LEN)."""
MAX_PAIRS: Final = 24
"""Variables of one MSet (pbx_builtin_setvar_multiple)."""

#: A variable, perhaps with inheritance marks, or a function such as CALLERID(num).
_READABLE = re.compile(r"[A-Za-z][A-Za-z0-9_]*(\([A-Za-z0-9_,/ -]*\))?")
_SETTABLE = re.compile(r"_{0,2}[A-Za-z][A-Za-z0-9_]*")
#: What the dialplan could read as more than text once the variable is used: substitution, quoting,
#: the separators of arguments and applications, and anything that would end our line.
_HARMFUL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029${}\"\\;,`|]")
#: Asterisk reads pairs as part of an argument, and a queue may be called `Zürich (EN)`.
_PAIRED = (
    (re.compile(r"[^()]*(?:\([^()]*\)[^()]*)*"), re.compile(r"[()]")),
    (re.compile(r"[^][]*(?:\[[^][]*\][^][]*)*"), re.compile(r"[][]")),
)
_REPLY = re.compile(r"(\d{3})( |-)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """Asterisk's answer to one command."""

    code: int
    """200 done, 510 unknown command, 511 channel is dead, 520 wrong usage."""
    text: str
    """What follows the code."""


def parse_opening(lines: Sequence[str]) -> dict[str, str]:
    """The `agi_...: value` lines as a dict, keys as sent.

    Raises:
        ProtocolError: it is no AGI opening.
    """
    env: dict[str, str] = {}
    for line in lines:
        key, colon, value = line.partition(":")
        if not colon or not key.startswith("agi_"):
            raise ProtocolError("FastAGI: opening with a line that is not an agi_ variable")
        env[key] = value.removeprefix(" ")
    if "agi_network_script" not in env and "agi_request" not in env:
        raise ProtocolError("FastAGI: opening without agi_network_script")
    return env


def script_path(env: dict[str, str]) -> str:
    """The path asked for, with its slash and without a query: `agi://host/route?x` -> `/route`."""
    script = env.get("agi_network_script")
    if script is None:
        _, _, script = env.get("agi_request", "").partition("://")
        _, _, script = script.partition("/")
    return "/" + script.partition("?")[0].strip("/")


def query(env: dict[str, str]) -> dict[str, str]:
    """What stands behind the path: `agi://host/route?pbx=berlin` -> `{"pbx": "berlin"}`."""
    asked = env.get("agi_network_script", env.get("agi_request", ""))
    return dict(parse_qsl(asked.partition("?")[2]))


def arguments(env: dict[str, str]) -> tuple[str, ...]:
    """agi_arg_1, agi_arg_2 and so on, up to the first that is missing."""
    found: list[str] = []
    while (value := env.get(f"agi_arg_{len(found) + 1}")) is not None:
        found.append(value)
    return tuple(found)


class ReplyReader:
    """Collects the lines of one reply.

    A value read between two marks may hold anything: line breaks, brackets, even a line that looks
    like a reply. Only Asterisk knows the mark, so only the true end is taken for the end.
    """

    def __init__(self, mark: str | None = None) -> None:
        self._mark = mark
        self._text = ""

    @property
    def inside(self) -> bool:
        """Whether a reply has begun and is not complete: a line `HANGUP` is then part of it."""
        return bool(self._text)

    def take(self, line: str) -> Reply | None:
        """Take one line, without its newline; the reply once it is complete.

        Raises:
            ProtocolError: the reply is longer than MAX_REPLY.
        """
        if not self._text:
            found = _REPLY.match(line)
            if found is None or found[1] == "100":  # `100 Trying`, or the rest of something not ours
                return None
        self._text = f"{self._text}\n{line}" if self._text else line
        if len(self._text) > MAX_REPLY:
            raise ProtocolError(f"FastAGI: reply of more than {MAX_REPLY} bytes")
        if self._is_whole(line):
            found = _REPLY.match(self._text)
            assert found is not None
            return Reply(int(found[1]), found[3])
        return None

    def _is_whole(self, line: str) -> bool:
        if self._text.startswith("520-"):
            return line.startswith("520 ")
        if self._mark is not None and self._text.startswith(f"200 result=1 ({self._mark}"):
            begin = len(f"200 result=1 ({self._mark}")
            return self._text.find(f"{self._mark})", begin) >= 0
        return True


def marked_values(reply: Reply, mark: str, number: int) -> list[str]:
    """The values between the marks of a reply to `get_command` for so many; empty if there are none.

    Raises:
        ProtocolError: there are fewer.
    """
    _, _, rest = reply.text.partition(f"result=1 ({mark}")
    values, found, _ = rest.partition(f"{mark})")
    if not found:
        return [""] * number
    parts = values.split(f"{mark}-")
    if len(parts) != number:
        raise ProtocolError(f"FastAGI: {len(parts)} values instead of {number}")
    return parts


def get_command(names: Sequence[str], mark: str) -> str:
    """The command that reads variables and functions at once, with marks around and between them.

    Asterisk evaluates them as one text, which saves a round trip for each.

    Raises:
        ProtocolError: a name is neither.
    """
    for name in names:
        if not _READABLE.fullmatch(name):
            raise ProtocolError(f"FastAGI: {name!r} is not a variable or function")
    values = f"{mark}-".join(f"${{{name}}}" for name in names)
    return f'GET FULL VARIABLE "{mark}{values}{mark}"'


def set_commands(variables: Mapping[str, str]) -> list[str]:
    """The commands that set variables, in order, to values made safe: as few as fit into Asterisk's lines.

    MSet is built into Asterisk: one for a dozen variables saves as many round trips, and a caller who hangs
    up meanwhile has all of them or none.

    Raises:
        ProtocolError: a name is no variable's.
    """
    commands: list[str] = []
    pairs: list[str] = []
    for name, value in variables.items():
        if not _SETTABLE.fullmatch(name):
            raise ProtocolError(f"FastAGI: {name!r} is not a variable")
        pair = f"{name}={safe_value(value)}"
        if pairs and (len(pairs) == MAX_PAIRS or len(_mset([*pairs, pair]).encode()) > MAX_COMMAND):
            commands.append(_mset(pairs))
            pairs = []
        pairs.append(pair)
    return [*commands, _mset(pairs)] if pairs else commands


def _mset(pairs: Sequence[str]) -> str:
    return f'EXEC MSet "{",".join(pairs)}"'


def safe_value(value: str) -> str:
    """The value with `_` for everything that the dialplan could read as more than text, cut to 1 KiB."""
    cut = _HARMFUL.sub("_", value).encode("utf-8", "replace")[:MAX_VALUE]
    plain = cut.decode("utf-8", "ignore")
    for paired, brackets in _PAIRED:
        plain = plain if paired.fullmatch(plain) else brackets.sub("_", plain)
    return plain
