"""Texts that a gateway passed on without decoding them: quoted-printable, percent signs, escapes. Pure."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote_plus

_PRINTABLE = re.compile(r"(?:=[0-9A-Fa-f]{2})+")
#: A soft line break, or a byte that is no ASCII: one of them makes "=41" an encoded letter.
_SOFT_BREAK = re.compile(r"=[ \t]{0,8}\r?\n")
_HIGH_BYTE = re.compile(r"=[89A-Fa-f][0-9A-Fa-f](?![0-9A-Fa-f])")
_ESCAPES = re.compile(r"(?:\\u[0-9a-fA-F]{4})+")
_PERCENT: Final = "%20"


def decoded(text: str) -> str:
    """The text as its writer saw it; as it is where nothing is encoded. Linear time."""
    if "=" in text and (_SOFT_BREAK.search(text) or len(_HIGH_BYTE.findall(text)) >= 2):
        text = _PRINTABLE.sub(lambda run: _bytes(run[0]), _SOFT_BREAK.sub("", text))
    if _PERCENT in text and not any(map(str.isspace, text)) and "://" not in text:
        text = unquote_plus(text)
    return _ESCAPES.sub(lambda run: _units(run[0]), text) if "\\u" in text else text


def _bytes(run: str) -> str:
    """What a run of "=C3=A9" stands for; itself, if for nothing that can be read."""
    data = bytes.fromhex(run.replace("=", ""))
    for encoding in ("utf-8", "cp1252"):
        try:
            found = data.decode(encoding)
        except UnicodeError:
            continue
        return found if found.isprintable() or found.isspace() else run
    return run


def _units(run: str) -> str:
    data = bytes.fromhex(run.replace("\\u", ""))
    return data.decode("utf-16-be", "replace")
