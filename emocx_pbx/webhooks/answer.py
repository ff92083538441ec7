"""Parses a receiver's answer: above all its status, and the reason it gave if it refused. Pure.

General HTTP clients read more than matters here, and fail on any part that they find invalid: an event that
was accepted would then be sent again. This one reads the status line, finds Retry-After, and tolerates
anything after that.
"""

from __future__ import annotations

import re
from typing import Final

from emocx_pbx.errors import ProtocolError

#: Most bytes read of an answer.
MAX_BYTES: Final = 64 * 1024
#: Characters kept of a refusal's body.
SAID_CHARS: Final = 300

_STATUS: Final = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?=[\s]|\Z)")
_HEAD_END: Final = re.compile(rb"\r?\n\r?\n")
_CHUNK: Final = re.compile(rb"\r?\n?[ \t]*([0-9A-Fa-f]{1,8})[^\r\n]*\r?\n")
#: Encodings besides UTF-8 that old receivers use; Python's others are not for text, or are slow.
_CHARSET: Final = re.compile(
    rb"charset\s*=\s*\"?(utf-16(?:le|be)?|iso-8859-\d{1,2}|windows-125\d|shift_jis|euc-(?:jp|kr)|gb2312"
    rb"|gbk|gb18030|big5|koi8-r)(?![\w-])",
    re.IGNORECASE,
)
_SWITCHING: Final = 101
_BODILESS: Final = frozenset({204, 304})


class AnswerReader:
    """Takes bytes and gives the status; `done` when nothing that follows could matter."""

    def __init__(self) -> None:
        self.status: int | None = None
        """Status of the final answer; None: not known yet."""
        self.done = False
        self._read = 0
        self._data = bytearray()
        self._headers: dict[bytes, bytes] | None = None

    @property
    def retry_after(self) -> str | None:
        """The header Retry-After as received."""
        value = (self._headers or {}).get(b"retry-after")
        return None if value is None else value.decode("latin-1")

    @property
    def date(self) -> str:
        """The header Date as received; empty if there is none."""
        return (self._headers or {}).get(b"date", b"").decode("latin-1")

    def receive(self, data: bytes) -> None:
        """Take the bytes that were read; empty at the end of the connection.

        Raises:
            ProtocolError: this is not HTTP. The message quotes nothing: it may be any service's banner.
        """
        self._read += len(data)
        self._data += data
        over = not data or self._read >= MAX_BYTES
        while self._headers is None:
            if self.status is None and not self._find_status(over):
                return
            end = _HEAD_END.search(self._data)
            if end is None and not over:
                return
            head = bytes(self._data[: end.start() if end else len(self._data)])
            del self._data[: end.end() if end else len(self._data)]
            if self.status is not None and 100 <= self.status < 200 and self.status != _SWITCHING:
                self.status = None  # "continue" and "early hints": the answer itself comes after them
                if not self._data and not over:
                    return
                continue
            self._headers = _headers(head)
        self.done = over or self.status in _BODILESS or self._complete(self._headers)

    @property
    def said(self) -> str:
        """The first characters of the body on one line, safe to print; empty if there is no body.

        A compressed body stays compressed.
        """
        headers = self._headers
        if headers is None:
            return ""
        coding = headers.get(b"content-encoding", b"").strip().lower().decode("latin-1")
        if coding not in {"", "identity"} and self._data:
            return _plain(f"({coding}, not shown)")
        body = bytes(self._data)
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            body = _chunks(body)[0]
        named = _CHARSET.search(headers.get(b"content-type", b""))
        try:
            return _plain(body.decode(named[1].decode() if named else "utf-8", "replace"))
        except LookupError:  # iso-8859-99
            return _plain(body.decode("utf-8", "replace"))

    def _find_status(self, over: bool) -> bool:
        del self._data[: len(self._data) - len(self._data.lstrip(b"\r\n"))]
        if b"\n" not in self._data and not over and b"HTTP/".startswith(self._data[:5]):
            return False
        found = _STATUS.match(self._data)
        if found is None:
            if over and not self._data:
                raise ProtocolError("the connection was closed without an answer")
            raise ProtocolError("the answer is not HTTP")
        self.status = int(found[1])
        return True

    def _complete(self, headers: dict[bytes, bytes]) -> bool:
        if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
            return _chunks(bytes(self._data))[1]
        length = headers.get(b"content-length", b"").strip()
        return length.isdigit() and len(self._data) >= int(length[:9])


def _headers(head: bytes) -> dict[bytes, bytes]:
    """Headers by lower-case name; the first of equal names counts, and invalid lines are skipped."""
    found: dict[bytes, bytes] = {}
    for line in head.splitlines()[1:]:
        name, colon, value = line.partition(b":")
        if colon:
            found.setdefault(name.strip().lower(), value.strip())
    return found


def _chunks(data: bytes) -> tuple[bytes, bool]:
    """The content of a chunked body, and whether it is complete; after broken framing, the bytes as they
    are.
    """
    body, at = bytearray(), 0
    while match := _CHUNK.match(data, at):
        size = int(match[1], 16)
        if size == 0:
            return bytes(body), True
        body += data[match.end() : match.end() + size]
        at = match.end() + size
        if at >= len(data):
            return bytes(body), False
    return bytes(body + data[at:]), False


def _plain(text: str) -> str:
    words = " ".join(text[: 4 * SAID_CHARS].split())
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in words)[:SAID_CHARS]
