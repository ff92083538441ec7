"""The house's names: one public class for each name, and none of the words that names no longer use."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

PACKAGE: Final = Path(__file__).parents[1] / "emocx_pbx"

#: Words that say nothing of what they name (see docs/glossary.md for those that do).
RETIRED: Final = frozenset({
    "told", "heard", "desk", "desks", "door", "doors", "came", "went", "course", "courses",
})  # fmt: skip
#: Names that use one all the same, and why.
ALLOWED: Final = {
    "ChatDesk": "the chat desk is a term of the glossary",
    "chat_desk": "its module",
    "door": "the door is a term of the glossary: the process that `emocx-pbx door` starts",
    "Door": "what answers in it",
    "keep_door": "its outermost function",
    "door_messages": "what it and the controllers say to each other",
    "AskedAtDoor": "one of those messages; its tag is its name",
    "AnsweredToDoor": "the other one",
    "came": "deprecated field of the API, beside arrived_as",
    "went": "deprecated field of the API, beside left_as",
    "by_came": "deprecated field of the API, beside by_arrival",
}
#: Public classes that share a name, and why.
SHARED: Final[dict[str, str]] = {}


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        yield path, ast.parse(path.read_text(encoding="utf-8"))


def names_in(tree: ast.Module) -> Iterator[str]:
    """All names that a module gives or uses."""
    for node in ast.walk(tree):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.Name(id=name) | ast.arg(arg=name) | ast.Attribute(attr=name):
                yield name
            case ast.keyword(arg=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name
            case ast.alias(name=name, asname=asname):
                yield from (*name.split("."), asname or "")


def words_of(name: str) -> set[str]:
    """The words of a name in snake_case, CamelCase or CAPITALS."""
    return {word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def test_words_of_names_are_found() -> None:
    assert words_of("_LEAST_HEARD") == {"least", "heard"}
    assert words_of("on_heard") == {"on", "heard"}
    assert words_of("StatusDoor") == {"status", "door"}
    assert words_of("unheard") == {"unheard"}


def test_no_public_class_shares_its_name() -> None:
    found = Counter(
        node.name
        for _, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert {name for name, count in found.items() if count > 1} == set(SHARED)


def test_no_name_uses_a_retired_word() -> None:
    found: dict[str, str] = {}
    for path, tree in trees():
        for name in (path.stem, *names_in(tree)):
            if words_of(name) & RETIRED:
                found.setdefault(name, path.relative_to(PACKAGE).as_posix())
    assert {name: path for name, path in found.items() if name not in ALLOWED} == {}
    assert set(ALLOWED) <= set(found)  # those that are gone need no excuse
