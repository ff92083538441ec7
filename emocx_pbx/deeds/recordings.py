"""Where the recording of a call is, and which part of it a stretch of the call is."""

from __future__ import annotations

import glob
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

from emocx_pbx.audio.formats import ENDINGS
from emocx_pbx.call_ids import pbx_of, uniqueid_of
from emocx_pbx.settings.recordings import fits_path, is_ambiguous
from emocx_pbx.store.review_rows import ItemRow

#: Longest stretch, in seconds, played on its own; a window's few seconds of speech may be minutes apart.
MOST_S: Final = 60.0


def recording_path(template: str, call_id: str, started_at: float) -> Path | None:
    """Path of the recording's file, or None.

    Args:
        template: the setting recordings.path, in which `{pbx}`, `{call_id}`, `{year}`, `{month}`, `{day}` and
            `*` are filled in.
        call_id: of the call.
        started_at: Unix seconds; the date is in the server's time zone.
    """
    pbx, uniqueid = pbx_of(call_id), uniqueid_of(call_id)
    if not template or not fits_path(uniqueid) or is_ambiguous(template):
        return None
    day = datetime.fromtimestamp(started_at, UTC).astimezone()
    pattern = template.format(
        pbx=pbx, call_id=glob.escape(uniqueid), year=f"{day:%Y}", month=f"{day:%m}", day=f"{day:%d}"
    )
    folder = folder_of(template)
    root = Path(folder).resolve()
    for found in sorted(Path(folder).glob(pattern.removeprefix(folder))):
        path = found.resolve()
        # A link that leads out of the folder of recordings is not followed.
        if path.suffix.lower() in ENDINGS and path.is_relative_to(root) and path.is_file():
            return path
    return None


def folder_of(template: str) -> str:
    """The template's fixed folder, with its trailing slash; nothing outside it is ever served."""
    fixed = re.split(r"[{*?\[]", template, maxsplit=1)[0]
    return fixed[: fixed.rfind("/") + 1]


def stretch_of(item: ItemRow, begins: Literal["answer", "call"], around_s: float) -> tuple[float, float]:
    """Begin and end of a window in its call's recording, in seconds, with a margin on either side.

    Args:
        item: a window of a call.
        begins: the setting recordings.begins.
        around_s: seconds of margin on either side, so that no word is cut off.
    """
    started = item.answered_at if begins == "answer" and item.answered_at is not None else item.started_at
    zero = (item.tapped_at or 0.0) - (started or 0.0)
    begin = max(0.0, zero + item.t0 - around_s)
    return begin, min(max(begin, zero + item.t1 + around_s), begin + MOST_S)
