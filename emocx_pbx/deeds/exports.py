"""What exports keep about customers, and its erasure: names as keyed hashes, clips and messages."""

from __future__ import annotations

import csv
import hashlib
import hmac
import secrets
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

_KEY_FILE: Final = ".speaker-key"


class Speakers:
    """Names customers by a keyed hash: the same name in every export to a folder, without any phone
    number.
    """

    def __init__(self, folder: Path) -> None:
        """The folder's key, created by the first export (mode 600)."""
        path = folder / _KEY_FILE
        folder.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            path.touch(mode=0o600)
            path.write_text(secrets.token_hex(32), encoding="ascii")
        self._key = path.read_text(encoding="ascii").encode()

    def name(self, customer: str) -> str:
        """The customer's name in clips.csv."""
        return hmac.new(self._key, customer.encode(), hashlib.sha256).hexdigest()[:12]


def forget_in(folder: Path, names: Collection[str], texts: Collection[str], dry: bool = False) -> int:
    """Remove a customer's clips and messages from a folder that was exported to.

    Args:
        folder: as given to `export`; if it has been moved away, whoever moved it is responsible for it.
        names: what the customer's name may have been made from: keys, numbers, call ids.
        texts: the texts of the customer's queries.
        dry: report what would be removed, and remove nothing.

    Returns:
        How many clips and messages were removed.

    Raises:
        OSError: a file can't be written.
    """
    if not (folder / _KEY_FILE).is_file():
        return 0
    speakers = Speakers(folder)
    theirs = {speakers.name(name) for name in names}
    calls = tuple(f"call {name} " for name in names)
    audio: set[str] = set()

    def of_them(row: dict[str, str]) -> bool:
        if row.get("speaker") in theirs or (row.get("source") or "").startswith(calls):
            audio.add(row.get("file") or "")
            return True
        return False

    gone = _drop(folder / "clips.csv", of_them, dry)
    gone += _drop(folder / "messages.csv", lambda row: row.get("text") in texts, dry)
    for name in audio - {""} if not dry else ():
        path = (folder / name).resolve()
        if path.is_relative_to(folder.resolve()):
            path.unlink(missing_ok=True)
    return gone


def _drop(table: Path, gone: Callable[[dict[str, str]], bool], dry: bool) -> int:
    """Rewrite a table without some rows; returns how many those were."""
    if not table.is_file():
        return 0
    with table.open(encoding="utf-8", newline="") as f:
        reader = csv.DictReader(f)
        names, rows = list(reader.fieldnames or ()), list(reader)
    kept = [row for row in rows if not gone(row)]
    if dry or len(kept) == len(rows):
        return len(rows) - len(kept)
    draft = table.with_suffix(".new")
    with draft.open("w", encoding="utf-8", newline="") as f:
        writer = csv.DictWriter(f, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept)
    draft.replace(table)
    return len(rows) - len(kept)
