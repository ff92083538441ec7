"""Every command that README and docs show is one that the program takes, and every TOML is TOML."""

from __future__ import annotations

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from emocx_pbx.cli import parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(?:^|[\s;&|/])emocx-pbx (?P<words>[a-z][^|&;#\n>]*)")


def blocks(language: str | None) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for found in _BLOCK.finditer(page.read_text(encoding="utf-8")):
            if language is None or found[1] == language:
                yield page.name, found[2].replace("\\\n", " ")


def commands() -> list[tuple[str, str]]:
    return [
        (page, found["words"].strip())
        for page, text in blocks(None)
        for line in text.splitlines()
        if not line.lstrip().startswith(("#", ";"))
        for found in _COMMAND.finditer(line)
    ]


@pytest.mark.parametrize(("page", "words"), commands())
def test_a_shown_command_is_taken(page: str, words: str) -> None:
    assert parser().parse_args(shlex.split(words)).command


@pytest.mark.parametrize(("page", "text"), list(blocks("toml")))
def test_a_shown_toml_is_toml(page: str, text: str) -> None:
    assert tomllib.loads("\n".join(line.strip() for line in text.splitlines()))


def test_some_are_shown() -> None:
    assert {page for page, _ in commands()} >= {"README.md", "own-data.md"}
