"""`emocx-pbx backup FILE` and `restore FILE`: all that the service knows, as one file."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import add_common, ask, local, read_settings, show

if TYPE_CHECKING:
    from emocx_pbx.service.backup import Manifest


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    making = commands.add_parser(
        "backup", help="write database, policy and own models to one file, while the service runs"
    )
    making.add_argument("file", metavar="FILE", type=Path, help="must not exist yet")
    add_common(making, _backup)
    back = commands.add_parser("restore", help="put a backup back; the service must be stopped")
    back.add_argument("file", metavar="FILE", type=Path)
    back.add_argument("--check", action="store_true", help="only read it through and say what is in it")
    back.add_argument("--yes", action="store_true", help="do not ask")
    add_common(back, _restore)


def _backup(args: argparse.Namespace) -> int:
    from importlib.metadata import version

    from emocx_pbx.service.backup import back_up

    manifest = back_up(read_settings(args), args.file, program=version("emocx-pbx"), now=time.time())
    size = args.file.stat().st_size
    show(
        args,
        {"file": str(args.file), "bytes": size, **_facts(manifest)},
        lambda: f"{args.file}: {size / 1e6:.1f} MB, {_words(manifest)}; read back and compared",
    )
    return 0


def _restore(args: argparse.Namespace) -> int:
    from emocx_pbx.service.backup import restore, verify

    settings = read_settings(args)
    manifest = verify(args.file)
    if args.check:
        show(args, _facts(manifest), lambda: f"{args.file}: whole; {_words(manifest)}")
        return 0
    if not args.yes:
        ask(f"replace {settings.store_path()} by {_words(manifest)}?")
    manifest, kept, left = restore(settings, args.file, now=time.time())
    result = {**_facts(manifest), "kept": [str(p) for p in kept], "not_restored": left}
    lines = [f"restored: {_words(manifest)}", *[f"kept what was there: {p}" for p in kept], *left]
    show(args, result, lambda: "\n".join(lines))
    return 0


def _facts(manifest: Manifest) -> dict[str, object]:
    return {
        "made_at": manifest.made_at,
        "program": manifest.program,
        "schema": manifest.schema,
        "models": list(manifest.models),
        "files": sorted(manifest.sha256),
    }


def _words(manifest: Manifest) -> str:
    others = len(manifest.sha256) - 1
    return (
        f"the database of {local(manifest.made_at)} (version {manifest.program}, schema {manifest.schema}) "
        f"and {others} other file{'' if others == 1 else 's'}"
    )
