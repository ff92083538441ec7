"""docs/inputs.md names what the code reads, and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from emocx_pbx.analysis.recorded_warnings import Kind
from emocx_pbx.audio import formats
from emocx_pbx.web import playing

PAGE = (Path(__file__).parents[1] / "docs" / "inputs.md").read_text(encoding="utf-8")
RECORDINGS = PAGE.split("## Recordings", 1)[1].split("\n## ", 1)[0]


def test_every_headerless_format_is_named() -> None:
    named = set(re.findall(r"`([a-z0-9-]+)`", RECORDINGS))
    observed = named | {f"g726{end}" for end in named if end.startswith("-")}
    linear = {name for name in formats.HEADERLESS if re.fullmatch(r"sli?n\d+", name)}
    assert {re.sub(r"\D", "", name) for name in linear} <= set(re.findall(r"\d+", RECORDINGS))
    assert set(formats.HEADERLESS) - linear <= observed
    assert set(formats.BY_ASTERISK) <= observed


def test_every_container_has_its_name() -> None:
    for what, *_ in formats.CONTAINERS:
        for name in what.replace("Core Audio", "CAF").replace("iLBC", "ilbc").split(" or "):
            assert name in RECORDINGS, name


def test_every_warning_is_told() -> None:
    rows = set(re.findall(r"`([a-z_]+)`", RECORDINGS.split("### Warnings", 1)[1]))
    assert set(get_args(Kind)) <= rows


def test_remedies_and_limits_are_those_of_the_code() -> None:
    assert formats.EXTRA in RECORDINGS
    assert "asterisk -rx 'file convert" in RECORDINGS
    assert {1: "one", 2: "two", 3: "three"}[playing.AT_ONCE] + " at a time" in RECORDINGS
