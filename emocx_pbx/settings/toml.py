"""Turns TOML tables into msgspec Structs, with errors that name file, place, what was expected and what was
found.

msgspec's own messages are for programs (`Expected int <= 65535 - at $.asterisk.port`); an administrator
reads `emocx.toml: asterisk.port: expected an integer from 0 to 65535, got 99999`.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import inspect as mi

from emocx_pbx.errors import SettingsError

S = TypeVar("S", bound=msgspec.Struct)

#: Longest part of a wrong value that an error message repeats.
SHOWN_CHARS = 40
#: Settings whose value must not appear in an error message.
SECRET_NAMES = frozenset({"secret", "api_token"})


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        SettingsError: the file can't be read or is not TOML; the message names the file.
    """
    try:
        return parse_toml(path.read_text(encoding="utf-8"), path.name)
    except OSError as e:
        raise SettingsError(f"{path}: can't be read: {e.strerror or e}") from e
    except UnicodeDecodeError as e:
        raise SettingsError(f"{path}: is not UTF-8 text (byte {e.start})") from e


def parse_toml(text: str, origin: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        SettingsError: it is not TOML; the message begins with `origin`.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as e:
        raise SettingsError(f"{origin}: is not TOML: {str(e)[0].lower()}{str(e)[1:]}") from e


def read_struct(cls: type[S], data: object, origin: str, place: str = "", *, hidden: Iterable[str] = ()) -> S:
    """A Struct from parsed TOML.

    Args:
        cls: the Struct; its fields may be Structs, tuples of Structs, or anything msgspec converts.
        data: what TOML gave for it.
        origin: file name for messages.
        place: dotted place of the table in the file; empty at the top.
        hidden: fields that a file may not set.

    Raises:
        SettingsError: unknown, missing or wrong setting.
    """
    if not isinstance(data, Mapping):
        raise SettingsError(f"{origin}: {place}: expected a table, got {shown(data)}")
    hints = get_type_hints(cls, include_extras=True)
    names = [n for n in cls.__struct_fields__ if n not in set(hidden)]
    values: dict[str, Any] = {}
    for name, value in data.items():
        where = join(place, name)
        if name not in names:
            raise SettingsError(f"{origin}: {where}: unknown setting{suggestion(name, names)}")
        values[name] = read_value(hints[name], value, origin, where)
    for field in msgspec.structs.fields(cls):
        if field.required and field.name not in values:
            where = join(place, field.name)
            raise SettingsError(f"{origin}: {where}: missing; expected {described(hints[field.name])}")
    return cls(**values)


def read_value(kind: Any, value: object, origin: str, place: str, *, text: bool = False) -> Any:
    """One setting's value, checked against its type.

    Args:
        kind: the annotation, e.g. `Annotated[int, Meta(ge=0)]`.
        value: what TOML gave, or the text of an environment variable.
        origin: file name for messages.
        place: dotted place, or the variable's name.
        text: value is text to be parsed (an environment variable).

    Raises:
        SettingsError: the value does not fit.
    """
    inner = _struct_in(kind)
    if inner is not None and not text:
        if get_origin(kind) is tuple:
            if not isinstance(value, list):
                raise SettingsError(f"{origin}: {place}: expected a list of tables, got {shown(value)}")
            return tuple(read_struct(inner, v, origin, f"{place}[{i}]") for i, v in enumerate(value))
        return read_struct(inner, value, origin, place)
    if text and get_origin(kind) is tuple:
        value = [part.strip() for part in str(value).split(",") if part.strip()]
    try:
        return msgspec.convert(value, kind, strict=not text)
    except msgspec.ValidationError as e:
        name = place.rpartition(".")[2].lower()
        # A receiver's address may hold a password.
        secret = name == "url" or any(name.endswith(s) for s in SECRET_NAMES)
        got = "something else" if secret else shown(value)
        raise SettingsError(f"{origin}: {place}: expected {described(kind)}, got {got}") from e


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The Struct of a table or a list of tables; None for a plain value."""
    candidates = [kind, *(get_args(kind) if get_origin(kind) in {tuple, types.UnionType, Union} else ())]
    for candidate in candidates:
        if isinstance(candidate, type) and issubclass(candidate, msgspec.Struct):
            return candidate
    return None


def described(kind: Any) -> str:
    """What a type accepts, in words."""
    return _described(mi.type_info(kind))


def _described(info: mi.Type) -> str:
    match info:
        case mi.BoolType():
            return "true or false"
        case mi.IntType():
            return "an integer" + _bounds(info.gt, info.ge, info.lt, info.le)
        case mi.FloatType():
            return "a number" + _bounds(info.gt, info.ge, info.lt, info.le)
        case mi.StrType():
            return f"a string that matches {info.pattern}" if info.pattern else "a string"
        case mi.LiteralType():
            return "one of " + ", ".join(json.dumps(v) for v in info.values)
        case mi.VarTupleType() | mi.ListType() | mi.SetType():
            return "a list, each item " + _described(info.item_type)
        case mi.UnionType():
            return " or ".join(_described(t) for t in info.types if not isinstance(t, mi.NoneType))
        case _:
            return "a table"


def _bounds(gt: float | None, ge: float | None, lt: float | None, le: float | None) -> str:
    """` from 0 to 9`, ` over 0 and at most 9`, ` of at least 0`, or an empty text."""
    if ge is not None and le is not None:
        return f" from {ge:g} to {le:g}"
    low = f"over {gt:g}" if gt is not None else f"of at least {ge:g}" if ge is not None else ""
    high = f"under {lt:g}" if lt is not None else f"at most {le:g}" if le is not None else ""
    both = " and ".join(part for part in (low, high) if part)
    return f" {both}" if both else ""


def shown(value: object) -> str:
    """A wrong value as a message repeats it: as JSON, cut short."""
    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 3] + "..."


def suggestion(name: str, known: Iterable[str]) -> str:
    """`; did you mean NAME?`, or the list of names, or an empty text."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known: {', '.join(names)}" if names else ""


def join(place: str, name: str) -> str:
    """Dotted place of a setting."""
    return f"{place}.{name}" if place else name
