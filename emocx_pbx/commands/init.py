"""`emocx-pbx init`: a commented settings file to start from."""

from __future__ import annotations

import argparse
import base64
import secrets
import sys
from pathlib import Path

from emocx_pbx.commands.shared import add_common
from emocx_pbx.errors import InputError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("init", help="write a commented sample of the settings")
    parser.add_argument("file", nargs="?", type=Path, default=Path("emocx.toml"), help="default: emocx.toml")
    parser.add_argument("--table", action="store_true", help="print the settings as Markdown instead")
    add_common(parser, run, json=False, config=False)


def run(args: argparse.Namespace) -> int:
    """Write the sample, readable by its owner alone: secrets will be put into it."""
    from emocx_pbx.settings.sample import sample_toml, settings_table

    if args.table:
        print(settings_table(), end="")
        return 0
    path: Path = args.file
    try:
        path.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        raise InputError(f"{path}: exists already; it was left as it is") from None
    except OSError as e:
        raise InputError(f"{path}: can't be written: {e.strerror}") from None
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    path.write_text(sample_toml(secret, secrets.token_urlsafe(32)), encoding="utf-8")
    print(f"{path} written; edit it, then run: emocx-pbx check --config {path}", file=sys.stderr)
    return 0
