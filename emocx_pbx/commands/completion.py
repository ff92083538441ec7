"""`emocx-pbx completion bash|zsh|tcsh`: a script that completes commands and options in a shell."""

from __future__ import annotations

import argparse

from emocx_pbx.commands.shared import add_common


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("completion", help="print a script that completes commands in your shell")
    parser.add_argument("shell", choices=("bash", "zsh", "tcsh"))
    add_common(parser, run, json=False, config=False)


def run(args: argparse.Namespace) -> int:
    """Print it; it is generated from the parser, so it knows this version's commands, and needs no Python on
    Tab.
    """
    import shtab

    print(shtab.complete(args.parser, shell=args.shell))
    return 0
