"""A body's content type, and forms parsed from its bytes: only UTF-8, bounded, in linear time. Pure.

A client must not choose the codec: decoding with some of Python's takes time quadratic in the length. Files
are accepted nowhere.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from emocx_pbx.errors import InputError

URLENCODED: Final = "application/x-www-form-urlencoded"
MULTIPART: Final = "multipart/form-data"
#: Most fields of a form; the largest of ours has a few dozen.
MAX_FIELDS: Final = 200
#: Bytes of one part's own headers.
MAX_PART_HEAD: Final = 1_024

_CODECS: Final = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_MEDIA: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}/[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_PARAMETER: Final = re.compile(
    r"[ \t]*;[ \t]*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]{1,40})[ \t]*=[ \t]*"
    r'(?:"([^"\\\r\n]{0,400})"|([^\s;"]{0,400})))?[ \t]*'
)
#: As RFC 2046 defines it.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")


class UnsupportedMedia(InputError):
    """A body of a kind that is not taken."""


@dataclass(frozen=True, slots=True)
class Media:
    """The content type that a body claims."""

    kind: str = ""
    """Media type such as application/json; empty: not stated."""
    boundary: str = ""


def media_of(content_type: str) -> Media:
    """The header Content-Type.

    Raises:
        UnsupportedMedia: it can't be parsed, or names a codec other than UTF-8 or ASCII.
    """
    given = content_type.strip(" \t")
    if not given:
        return Media()
    found = _MEDIA.match(given)
    if found is None:
        raise UnsupportedMedia("Content-Type: expected type/subtype")
    at, boundary = found.end(), ""
    while at < len(given):
        parameter = _PARAMETER.match(given, at)
        if parameter is None:
            raise UnsupportedMedia("Content-Type: its parameters can't be read")
        name, value = (parameter[1] or "").lower(), parameter[2] or parameter[3] or ""
        if name.rstrip("*0123456789") == "charset" and (name != "charset" or value.lower() not in _CODECS):
            raise UnsupportedMedia(f"charset {value[:20]!r}: only utf-8 is taken")
        if name == "boundary":
            boundary = value
        at = parameter.end()
    return Media(found[0].lower(), boundary)


def fields_of(media: Media, body: bytes) -> list[tuple[str, str]]:
    """Name and text of each field of a form; empty for a body of another kind.

    Raises:
        UnsupportedMedia: it has a file, or a part that is not text in UTF-8.
        InputError: it is not a form, or has too many fields.
    """
    if media.kind == MULTIPART:
        return _parts(media.boundary, body)
    if media.kind != URLENCODED and media.kind:
        return []
    if body.count(b"&") >= MAX_FIELDS:
        raise InputError(f"a form of more than {MAX_FIELDS} fields")
    return [
        (_whole(name), _whole(text))
        for name, text in parse_qsl(_text(body), keep_blank_values=True, encoding="utf-8", errors="replace")
    ]


def _parts(boundary: str, body: bytes) -> list[tuple[str, str]]:
    if not _BOUNDARY.fullmatch(boundary):
        raise InputError("multipart: the boundary is missing or wrong")
    mark = b"--" + boundary.encode("ascii")
    if body.count(mark) > MAX_FIELDS + 1:
        raise InputError(f"a form of more than {MAX_FIELDS} fields")
    # A boundary is at the beginning of a line; the first one may begin the body.
    begin, *parts = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(parts) < 2 or not parts[-1].startswith(b"--") or begin.strip(b"\r\n"):
        raise InputError("multipart: no beginning, or no end")
    return [_part(part) for part in parts[:-1]]


def _part(part: bytes) -> tuple[str, str]:
    head, found, value = part.partition(b"\r\n\r\n")
    if not found or len(head) > MAX_PART_HEAD:
        raise InputError("multipart: a part without an end of its headers, or with too many")
    name: str | None = None
    lines: Sequence[str] = _text(head).split("\r\n")
    for line in lines:
        header, _, given = line.partition(":")
        match header.strip().lower():
            case "content-disposition":
                name = _name(given)
            case "content-type":
                if media_of(given).kind not in {"", "text/plain"}:
                    raise UnsupportedMedia("multipart: only parts of text/plain are taken")
            case "content-transfer-encoding":
                if given.strip().lower() not in {"7bit", "8bit", "binary"}:
                    raise UnsupportedMedia("multipart: encoded parts are not taken")
            case "content-encoding":
                raise UnsupportedMedia("multipart: encoded parts are not taken")
    if name is None:
        raise InputError("multipart: a part without a name")
    return name, _text(value)


def _name(disposition: str) -> str:
    kind, _, _ = disposition.partition(";")
    if kind.strip().lower() != "form-data":
        raise InputError("multipart: a part that is not form-data")
    name, at = None, len(kind)
    while at < len(disposition):
        found = _PARAMETER.match(disposition, at)
        if found is None:
            raise InputError("multipart: a part's Content-Disposition can't be read")
        key = (found[1] or "").lower()
        if key.startswith("filename"):
            raise UnsupportedMedia("multipart: files are not taken")
        if key == "name":
            name = found[2] if found[2] is not None else found[3]
        at = found.end()
    if not name:
        raise InputError("multipart: a part without a name")
    return name


def _text(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"the body is not UTF-8 (byte {error.start})") from None


def _whole(text: str) -> str:
    """Whether text can be held by every database and page."""
    return text.encode("utf-8", "replace").decode("utf-8")
