"""The settings as text, generated from their docstrings: the commented sample and the table in the docs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, get_type_hints

import msgspec

from emocx_pbx.settings.docstrings import field_docs
from emocx_pbx.settings.settings import Settings, WebhookSettings
from emocx_pbx.settings.toml import described

HEADER = """\
# Settings of EmoCX PBX, by `emocx-pbx init`. Lines that begin with # show the defaults;
# take the # away to change one. EMOCX_SECTION_NAME in the environment (for example
# EMOCX_ASTERISK_SECRET) overrides the file. `emocx-pbx check` tells whether all fits.
"""


def sections() -> Iterator[tuple[str, type[msgspec.Struct]]]:
    """Name and Struct of every table of the settings file, in order; `webhooks` is a list of tables."""
    for name, kind in get_type_hints(Settings).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield name, kind
        elif name == "webhooks":
            yield name, WebhookSettings


def sample_toml(
    webhook_secret: str = "whsec_...", chosen: Mapping[str, object] = MappingProxyType({})
) -> str:
    """A commented settings file that changes nothing until lines are uncommented.

    Args:
        webhook_secret: of the commented sample of a receiver.
        chosen: settings that are set and not commented out, such as `{"asterisk.secret": "..."}`.
    """
    lines = [HEADER]
    for section, cls in sections():
        many = section == "webhooks"
        lines.append(f"# {(cls.__doc__ or '').strip()}" + (" Repeat the table for each." if many else ""))
        lines.append(f"#[[{section}]]" if many else f"[{section}]")
        docs = field_docs(cls)
        for field in msgspec.structs.fields(cls):
            sample = {"name": "crm", "url": "https://crm.example/hooks/emocx", "secret": webhook_secret}
            value = sample[field.name] if field.required else _default(field)
            line = f"#{field.name} = {_toml(value)}"
            if (place := f"{section}.{field.name}") in chosen:
                line = f"{field.name} = {_toml(chosen[place])}"
            lines += [f"# {docs[field.name]}", line]
        lines.append("")
    return "\n".join(lines)


def settings_table() -> str:
    """Every setting as Markdown: name, what it accepts, default, meaning."""
    lines: list[str] = []
    for section, cls in sections():
        title = f"[[{section}]]" if section == "webhooks" else f"[{section}]"
        lines += [f"## `{title}`", "", (cls.__doc__ or "").strip(), ""]
        lines += ["| setting | accepts | default | meaning |", "|---|---|---|---|"]
        docs = field_docs(cls)
        hints = get_type_hints(cls, include_extras=True)
        for field in msgspec.structs.fields(cls):
            default = "required" if field.required else f"`{_toml(_default(field))}`"
            accepts = described(hints[field.name]).replace("|", "\\|")
            meaning = docs[field.name].replace("|", "\\|")
            lines.append(f"| `{field.name}` | {accepts} | {default} | {meaning} |")
        lines.append("")
    return "\n".join(lines)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return field.default if field.default is not msgspec.NODEFAULT else field.default_factory()


def _toml(value: Any) -> str:
    """A default as TOML writes it; JSON's strings, numbers, booleans and lists are TOML's too."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=False)
