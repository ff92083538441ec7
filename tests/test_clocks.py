"""One meaning of `now` and of `clock` all over the package: Unix seconds, and seconds that never jump."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import emocx_pbx

PACKAGE = Path(emocx_pbx.__file__).parent
#: What gives monotonic seconds, and what gives Unix seconds; the end of the expression counts.
MONOTONIC = ("monotonic", "perf_counter", "loop.time", "get_running_loop().time", "clock")
UNIX = ("time.time", "now")


def ends(value: ast.expr, names: tuple[str, ...]) -> bool:
    """Whether an expression is one of these, or a call of it."""
    text = ast.unparse(value.func if isinstance(value, ast.Call) else value)
    return any(text == name or text.endswith((f".{name}", f"_{name}")) for name in names)


def given(tree: ast.AST) -> Iterator[tuple[str, ast.expr, int]]:
    """Names with what they stand for: defaults, assignments, keywords."""
    for node in ast.walk(tree):
        match node:
            case ast.arguments():
                named = [*node.posonlyargs, *node.args]
                for argument, value in zip(
                    named[len(named) - len(node.defaults) :], node.defaults, strict=True
                ):
                    yield argument.arg, value, value.lineno
                for argument, default in zip(node.kwonlyargs, node.kw_defaults, strict=True):
                    if default is not None:
                        yield argument.arg, default, default.lineno
            case ast.AnnAssign(
                target=ast.Name(id=name) | ast.Attribute(attr=name), value=ast.expr() as value
            ):
                yield name, value, node.lineno
            case ast.Assign(targets=[target], value=value):
                pairs = (
                    zip(target.elts, value.elts, strict=True)
                    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
                    else [(target, value)]
                )
                for one, of in pairs:
                    if isinstance(one, ast.Name | ast.Attribute):
                        yield one.id if isinstance(one, ast.Name) else one.attr, of, node.lineno
            case ast.keyword(arg=str(name), value=value):
                yield name, value, node.lineno


def mixed_up(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Lines where one is given the other."""
    for name, value, line in given(tree):
        wrong = {"now": MONOTONIC, "clock": UNIX}.get(name.strip("_"))
        if wrong and ends(value, wrong):
            yield line, f"{name} = {ast.unparse(value)}"


def test_now_is_unix_seconds_and_clock_is_monotonic() -> None:
    found = [
        f"{path.relative_to(PACKAGE.parent)}:{line}: {what}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for line, what in mixed_up(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert not found, "\n".join(found)


def test_what_is_mixed_up_is_found() -> None:
    text = """
def f(now=time.monotonic, *, clock: F = time.time): ...
now = self._clock()
self._clock, at = time.time, 1
self.x = Part(now=loop.time, clock=time.monotonic)
now, clock = time.time(), time.monotonic()
"""
    assert sorted(line for line, _ in mixed_up(ast.parse(text))) == [2, 2, 3, 4, 5]
