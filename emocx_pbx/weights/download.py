"""Downloads a file over HTTP, with deadlines and a bound, and completes one that was cut off."""

from __future__ import annotations

import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.weights.catalogue import WeightFile

#: Bytes read at once.
_BLOCK: Final = 1 << 18
_OK, _PARTIAL, _BAD_RANGE = 200, 206, 416
#: A download that breaks off is resumed this many times, as long as each try brings more.
_TRIES: Final = 4

#: Called after each block with the file's name, the bytes so far and the bytes in all.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a source."""

    silence_s: float = 20.0
    """Seconds for a connection, and for the next bytes."""
    slowest: float = 50_000.0
    """Bytes a second, on average over the whole file; slower ones are given up."""
    grace_s: float = 60.0
    """Seconds on top of that, whatever the size."""

    def whole_s(self, size: int) -> float:
        """Seconds that a file of `size` bytes may take."""
        return self.grace_s + size / self.slowest


class Unreachable(PeerUnavailable):
    """The host can't be reached at all."""


def download(
    url: str,
    part: Path,
    file: WeightFile,
    patience: Patience,
    progress: Progress,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Write `file` to `part`, continuing after what is there already.

    Raises:
        PeerUnavailable: it can't be had there, or not in time; what has arrived stays in `part`.
        OSError: `part` can't be written.
    """
    end = clock() + patience.whole_s(file.size)
    for left in range(_TRIES - 1, -1, -1):
        before = _size(part)
        try:
            _rest(url, part, file, patience, progress, clock, end)
            return
        except PeerUnavailable:
            if not left or _size(part) <= before:
                raise


def _rest(
    url: str,
    part: Path,
    file: WeightFile,
    patience: Patience,
    progress: Progress,
    clock: Callable[[], float],
    end: float,
) -> None:
    got = _size(part)
    if got >= file.size:
        part.unlink()
        got = 0
    headers = {"User-Agent": "emocx-pbx", "Accept-Encoding": "identity"}
    if got:
        headers["Range"] = f"bytes={got}-"
    with _opened(url, headers, part, patience) as answer:
        if answer.status == _PARTIAL:
            if not answer.headers.get("Content-Range", "").startswith(f"bytes {got}-"):
                part.unlink()
                raise PeerUnavailable("answers with another range than was asked for")
        elif answer.status == _OK:
            got = 0
        else:
            raise PeerUnavailable(f"HTTP {answer.status}")
        length = answer.headers.get("Content-Length", "")
        if length.isdigit() and got + int(length) != file.size:
            raise PeerUnavailable(f"has {got + int(length)} bytes, expected {file.size}")
        with part.open("ab" if got else "wb") as out:
            while block := _block(answer, patience):
                got += len(block)
                if got > file.size:
                    raise PeerUnavailable(f"has more than the {file.size} bytes expected")
                out.write(block)
                progress(file.name, got, file.size)
                if clock() > end:
                    raise PeerUnavailable(f"too slow: {got} of {file.size} bytes in time")
    if got < file.size:
        raise PeerUnavailable(f"ended after {got} of {file.size} bytes")


def _opened(url: str, headers: dict[str, str], part: Path, patience: Patience) -> http.client.HTTPResponse:
    try:
        request = urllib.request.Request(url, headers=headers)
        answer: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=patience.silence_s)
        return answer
    except urllib.error.HTTPError as error:
        with error:
            if error.code == _BAD_RANGE:
                part.unlink(missing_ok=True)
            raise PeerUnavailable(f"HTTP {error.code} {error.reason}".rstrip()) from None
    except TimeoutError:
        raise Unreachable(f"no answer within {patience.silence_s:g} s") from None
    except urllib.error.URLError as error:
        reason = error.reason
        if isinstance(reason, TimeoutError):
            raise Unreachable(f"no answer within {patience.silence_s:g} s") from None
        words = getattr(reason, "strerror", None) or str(reason)
        raise Unreachable(f"can't be reached: {words}") from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise PeerUnavailable(f"no HTTP: {error or type(error).__name__}") from None


def _block(answer: http.client.HTTPResponse, patience: Patience) -> bytes:
    try:
        return answer.read1(_BLOCK)
    except TimeoutError:
        raise PeerUnavailable(f"silent for {patience.silence_s:g} s") from None
    except (OSError, http.client.HTTPException) as error:
        raise PeerUnavailable(f"broke off: {error or type(error).__name__}") from None


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
