"""Part of the check: the database file that is there already."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from emocx_pbx.check.finding import Finding
from emocx_pbx.store.migrate import migrations

#: A large database is looked at for no longer.
LOOK_S = 2.0


def database_finding(path: Path, look_s: float = LOOK_S) -> Finding | None:
    """Whether the service could go on with it; None if there is none yet."""
    if not path.exists():
        return None
    if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
        return Finding(
            "fail", "database", f"{path} can't be written by this user",
            "give it to the user that the service runs as (chown emocx), or correct store.path",
        )  # fmt: skip
    try:
        schema, whole, problem = _look(path, look_s)
    except sqlite3.OperationalError as error:
        return Finding(
            "fail", "database", f"{path} can't be opened: {error}",
            "give its folder to the user that the service runs as, or correct store.path",
        )  # fmt: skip
    except sqlite3.DatabaseError as error:
        schema, whole, problem = 0, True, str(error)
    known = len(migrations())
    if problem:
        return Finding(
            "fail", "database", f"{path} is damaged: {problem}",
            "stop the service and put a backup in its place; without one: sqlite3 OLD .recover | sqlite3 NEW",
        )  # fmt: skip
    if schema > known:
        return Finding(
            "fail", "database",
            f"{path} is of a newer version: schema {schema}, this program knows up to {known}",
            "install the newer release again, or put the copy from before the upgrade in its place",
        )  # fmt: skip
    looked = "" if whole else f" (looked at for {look_s:g} s)"
    return Finding("ok", "database", f"{path}, schema {schema} of {known}, no damage{looked}")


def _look(path: Path, look_s: float) -> tuple[int, bool, str]:
    """Schema, whether all was looked at, and the first damage."""
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
            return schema, False, ""
    finally:
        connection.close()
    return schema, True, "" if said == "ok" else " ".join(said.split())
