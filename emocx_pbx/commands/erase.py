"""`emocx-pbx erase`: forget a customer everywhere."""

from __future__ import annotations

import argparse
import sys

from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    add_common,
    existing_store,
    in_loop,
    read_settings,
    show,
    system_user,
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("erase", help="remove a customer from the database, for good")
    parser.add_argument("--customer", metavar="KEY", help="the CRM's key")
    parser.add_argument("--caller", metavar="NUMBER", help="the calling number, in any spelling")
    add_common(parser, in_loop(_erase))


async def _erase(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.erasure import TRACES, erase

    settings = read_settings(args)
    async with existing_store(settings) as store:
        erased = await erase(store, args.customer, args.caller, system_user(), settings.dialling.country)
    words = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in erased.counts.items())
    show(
        args,
        {"erased": erased.counts, "settled": erased.settled},
        lambda: f"erased: {words}" if words else "nothing was found",
    )
    if not erased.settled:
        print(f"emocx-pbx: not done yet: {TRACES}", file=sys.stderr)
        return NOT_IN_ORDER
    return 0
