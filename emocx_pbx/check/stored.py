"""The part of the check about the database file that is already there."""

from __future__ import annotations

import os
from pathlib import Path

from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import StoreUnavailable
from emocx_pbx.store.look import look
from emocx_pbx.store.migrate import migrations

#: Seconds; a large database is looked at for no longer.
LOOK_S = 2.0


def database_finding(path: Path, look_s: float = LOOK_S) -> Finding | None:
    """Whether the service could go on with it; None if there is no file yet."""
    if not path.exists():
        return None
    if path.is_dir() or not os.access(path, os.R_OK | os.W_OK):
        return Finding(
            "fail", "database", f"{path} can't be written by this user",
            "give it to the user that the service runs as (chown emocx), or correct store.path",
        )  # fmt: skip
    try:
        looked = look(path, look_s)
    except StoreUnavailable as error:
        return Finding(
            "fail", "database", f"{path} can't be opened: {error}",
            "give its folder to the user that the service runs as, or correct store.path",
        )  # fmt: skip
    known = len(migrations())
    if looked.problem:
        return Finding(
            "fail", "database", f"{path} is damaged: {looked.problem}",
            "stop the service and put a backup in its place; without one: sqlite3 OLD .recover | sqlite3 NEW",
        )  # fmt: skip
    if looked.schema > known:
        return Finding(
            "fail", "database",
            f"{path} is of a newer version: schema {looked.schema}, this program knows up to {known}",
            "install the newer release again, or put the copy from before the upgrade in its place",
        )  # fmt: skip
    bounded = "" if looked.whole else f" (looked at for {look_s:g} s)"
    return Finding("ok", "database", f"{path}, schema {looked.schema} of {known}, no damage{bounded}")
