"""`emocx-pbx erase`: forget a customer everywhere."""

from __future__ import annotations

import argparse

from emocx_pbx.commands.shared import add_common, existing_store, in_loop, read_settings, show
from emocx_pbx.errors import InputError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("erase", help="remove a customer from the database, for good")
    parser.add_argument("--customer", metavar="KEY", help="the CRM's key")
    parser.add_argument("--caller", metavar="NUMBER", help="the calling number, as Asterisk shows it")
    add_common(parser, in_loop(_erase))


async def _erase(args: argparse.Namespace) -> int:
    if not args.customer and not args.caller:
        raise InputError("erase: say whom: --customer KEY or --caller NUMBER")
    async with existing_store(read_settings(args)) as store:
        counts = await store.erase(args.customer, args.caller)
    words = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in counts.items())
    show(args, {"erased": counts}, lambda: f"erased: {words}" if words else "nothing was found")
    return 0
