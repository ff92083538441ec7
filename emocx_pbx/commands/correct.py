"""`emocx-pbx correct`: a person's correction of how a query's text was read."""

from __future__ import annotations

import argparse
import time

from emocx_pbx.commands.shared import add_common, existing_store, in_loop, read_settings, show, system_user

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
    from emocx_pbx.deeds.corrections import correct_query

    async with existing_store(read_settings(args)) as store:
        row, text = await correct_query(
            store, args.decision, args.emotion, args.reason, time.time(), system_user(), args.by
        )
    show(args, row, lambda: f"{args.decision} corrected to {args.emotion}: {text}")
    return 0
