"""The settings' section [recordings]: where a site keeps recordings of calls."""

from __future__ import annotations

import re
from typing import Literal

import msgspec


class RecordingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where this site keeps recordings of calls, to play them from the pages; the service makes none."""

    path: str = ""
    """Absolute path with {call_id} (and {year}, {month}, {day}, *), e.g. /srv/calls/{call_id}.wav."""
    begins: Literal["answer", "call"] = "answer"
    """Where a recording begins: as the first agent answers, or with the call."""


def recording_problems(recordings: RecordingSettings) -> list[tuple[str, str]]:
    """Place and problem of a template that can't be meant."""
    path = recordings.path
    left = re.sub(r"\{(call_id|year|month|day)\}", "", path)
    fixed = re.match(r"/[^{}*/]+/", path)
    if not path or (fixed and "{call_id}" in path.rpartition("/")[2] and not {*"{}"} & {*left}):
        return []
    wanted = (
        "expected an absolute path with {call_id} in the file's name, else only {year}, {month}, {day} and *"
    )
    return [("recordings.path", wanted)]
