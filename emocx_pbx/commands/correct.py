"""`emocx-pbx correct`: a person's word on what a query's text should have said."""

from __future__ import annotations

import argparse
import getpass
import time

from emocx_pbx.commands.shared import add_common, existing_store, in_loop, read_settings, show
from emocx_pbx.errors import InputError

EMOTIONS = ("angry", "neutral", "disappointed", "happy")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("correct", help="label a query whose text was misread, as training data")
    parser.add_argument("decision", metavar="DECISION", help="the decision's id (EMOCX_DECISION)")
    parser.add_argument("emotion", choices=EMOTIONS)
    parser.add_argument("--by", metavar="NAME", help="who says so (default: the user)")
    parser.add_argument("--reason", default="", metavar="TEXT")
    add_common(parser, in_loop(_correct))


async def _correct(args: argparse.Namespace) -> int:
    from emocx_pbx.store.rows import QueryCorrectionRow

    async with existing_store(read_settings(args)) as store:
        found = await store.decision(args.decision)
        if found is None:
            raise InputError(f"no decision {args.decision} in the database")
        if not found.text:
            raise InputError(f"{args.decision}: its text was not kept (privacy.store_query_text)")
        row = QueryCorrectionRow(
            args.decision, args.emotion, args.by or getpass.getuser(), args.reason, time.time()
        )
        await store.correct_query(row)
    show(args, row, lambda: f"{args.decision} corrected to {args.emotion}: {found.text}")
    return 0
