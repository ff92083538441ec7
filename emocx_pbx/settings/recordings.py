"""The settings' section [recordings]: where a site keeps recordings of calls."""

from __future__ import annotations

import re
from typing import Literal

import msgspec

#: What a call id may be made of to become part of a path; Asterisk's unique ids are.
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")

#: Digits, also those of a date: with a wildcard beside them, a template may find another call's id.
_DIGITS = r"(?:\d|%[A-Za-z]|\{(?:year|month|day)\})*"
_AMBIGUOUS = re.compile(rf"[*?\]]{_DIGITS}\{{call_id\}}|\{{call_id\}}{_DIGITS}[*?\[]")


class RecordingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where this site keeps recordings of calls, for the pages to play; the service itself makes none."""

    path: str = ""
    """Absolute path with {call_id}, Asterisk's Uniqueid (and {year}, {month}, {day}, *; with several PBXes
    {pbx} too), e.g. /srv/calls/{call_id}.wav."""
    begins: Literal["answer", "call"] = "answer"
    """When a recording begins: when the first agent answers, or with the call."""


def recording_problems(recordings: RecordingSettings, *, several_pbxes: bool) -> list[tuple[str, str]]:
    """Place and problem of a template that can't be right."""
    path = recordings.path
    left = re.sub(r"\{(call_id|pbx|year|month|day)\}", "", path)
    fixed = re.match(r"/[^{}*/]+/", path)
    if is_ambiguous(path):
        return [("recordings.path", "expected no * ? [ or ] next to {call_id}: it would find another call's")]
    if path and several_pbxes and "{pbx}" not in path:
        return [("recordings.path", "expected {pbx} in it: calls of two PBXes may have the same {call_id}")]
    if not path or (fixed and "{call_id}" in path.rpartition("/")[2] and not {*"{}"} & {*left}):
        return []
    wanted = (
        "expected an absolute path with {call_id} in the file's name,"
        " else only {pbx}, {year}, {month}, {day} and *"
    )
    return [("recordings.path", wanted)]


def is_ambiguous(template: str) -> bool:
    """Whether a template would find recordings of other calls, too: 1.1* also matches that of 1.10."""
    return _AMBIGUOUS.search(template) is not None


def fits_path(call_id: str) -> bool:
    """Whether a call id may stand in a path."""
    return _ID.fullmatch(call_id) is not None and ".." not in call_id
