"""Inspects a database file from outside: read-only, without migrating, and limited in time."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path

from emocx_pbx.errors import StoreUnavailable


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found."""

    schema: int
    """Number of its last migration; 0: none, or not readable."""
    whole: bool
    """Whether everything was checked within the time."""
    problem: str
    """The first damage found; empty: none."""


def look(path: Path, look_s: float) -> Looked:
    """Inspect it for at most `look_s` seconds.

    Raises:
        StoreUnavailable: the file can't be opened.
    """
    try:
        return _look(path, look_s)
    except sqlite3.OperationalError as error:
        raise StoreUnavailable(str(error)) from error
    except sqlite3.DatabaseError as error:
        return Looked(0, True, str(error))


def _look(path: Path, look_s: float) -> Looked:
    ends = time.monotonic() + look_s
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=1.0)
    try:
        schema = int(connection.execute("PRAGMA user_version").fetchone()[0])
        connection.set_progress_handler(lambda: time.monotonic() > ends, 10_000)
        try:
            said = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        except sqlite3.OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return Looked(schema, False, "")
    finally:
        connection.close()
    return Looked(schema, True, "" if said == "ok" else " ".join(said.split()))
