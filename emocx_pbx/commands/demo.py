"""`emocx-pbx demo`: one real call from query to webhook, on a private Asterisk."""

from __future__ import annotations

import argparse
from pathlib import Path

from emocx_pbx.commands.shared import add_common


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("demo", help="run a real call from query to webhook and show it")
    parser.add_argument("--recording", type=Path, metavar="FILE", help="what the customer says in the call")
    parser.add_argument("--once", action="store_true", help="exit after the call")
    parser.add_argument(
        "--cluster", action="store_true",
        help="two PBXes and two controllers, of which one is killed in the middle of the calls",
    )  # fmt: skip
    add_common(parser, run, config=False)


def run(args: argparse.Namespace) -> int:
    """Run it; the story is told by the demo itself, its object is printed last under --json."""
    import asyncio

    import msgspec

    if args.cluster:
        from emocx_pbx.demo.cluster import run_cluster_demo

        result = asyncio.run(run_cluster_demo(quiet=args.json))
    else:
        from emocx_pbx.demo.run import run_demo

        result = asyncio.run(run_demo(recording=args.recording, once=args.once, quiet=args.json))
    if args.json:
        print(msgspec.json.encode(result).decode())
    return 0
