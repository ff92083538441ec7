"""`emocx-pbx erase`: erases a customer everywhere."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    add_common,
    ask,
    existing_store,
    in_loop,
    read_settings,
    show,
    system_user,
)

if TYPE_CHECKING:
    from emocx_pbx.store.erasure import Erased


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("erase", help="remove a customer from the database permanently")
    parser.add_argument("--customer", metavar="KEY", help="the CRM's key")
    parser.add_argument("--caller", metavar="NUMBER", help="the calling number, in any spelling")
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--dry-run", action="store_true", help="say what would be removed, and change nothing"
    )
    add_common(parser, in_loop(_erase))


async def _erase(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.erasure import TRACES, erase

    settings = read_settings(args)
    country = settings.dialling.country
    async with existing_store(settings) as store:
        if args.dry_run or not args.yes:
            found = await erase(store, args.customer, args.caller, system_user(), country, dry=True)
            if args.dry_run:
                words = _words(found)
                answer = {"would_erase": found.counts}
                show(args, answer, lambda: f"would erase: {words}" if words else "nothing was found")
                return 0
            if found.counts:
                ask(f"erase {_words(found)} for good?")
        erased = await erase(store, args.customer, args.caller, system_user(), country)
    words = _words(erased)
    show(
        args,
        {"erased": erased.counts, "settled": erased.settled},
        lambda: f"erased: {words}" if words else "nothing was found",
    )
    if not erased.settled:
        print(f"emocx-pbx: not done yet: {TRACES}", file=sys.stderr)
        return NOT_IN_ORDER
    return 0


def _words(erased: Erased) -> str:
    return ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in erased.counts.items())
