"""`emocx-pbx models list`: the models there are, and whether their files are whole."""

from __future__ import annotations

import argparse

from emocx_pbx.commands.shared import add_common, read_settings, show, table
from emocx_pbx.errors import ModelError

KINDS = ("speech", "text")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("models", help="list the models, checksums verified")
    inner = parser.add_subparsers(dest="models_command", required=True, metavar="COMMAND")
    add_common(inner.add_parser("list", help="every model and version"), run)


def run(args: argparse.Namespace) -> int:
    """List kind, name/version, whether it is the one its name stands for, and state."""
    from emocx_pbx.emotion.registry import Registry

    registry = Registry(read_settings(args).models_path())
    models = []
    for kind in KINDS:
        for name in registry.names(kind):
            for version in registry.versions(kind, name):
                state, threshold = "ok", None
                try:
                    threshold = registry.find(kind, f"{name}/{version}").card.threshold
                except ModelError as e:
                    state = str(e)
                current = version == registry.current(kind, name)
                models.append(
                    {"kind": kind, "model": f"{name}/{version}", "current": current, "threshold": threshold,
                     "state": state}
                )  # fmt: skip
    rows = [
        (m["kind"], m["model"], "current" if m["current"] else "", m["threshold"], m["state"]) for m in models
    ]
    head = ("kind", "model", "", "threshold", "state")
    show(args, {"folder": str(registry.path), "models": models},
         lambda: table(head, rows, f"no models in {registry.path}"))  # fmt: skip
    return 0
