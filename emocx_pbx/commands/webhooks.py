"""`emocx-pbx webhooks list|replay`: what receivers got, and sending it again."""

from __future__ import annotations

import argparse
import math
import sys

from emocx_pbx.commands.shared import (
    add_common,
    existing_store,
    in_loop,
    local,
    moment,
    read_settings,
    show,
    system_user,
    table,
)
from emocx_pbx.errors import InputError


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("webhooks", help="list deliveries, send events again")
    inner = parser.add_subparsers(dest="webhooks_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="deliveries, newest first, and receivers that are disabled")
    _add_filters(listing)
    listing.add_argument("--state", choices=("pending", "delivered", "failed"))
    listing.add_argument("--limit", type=int, default=50, help="at most this many (default 50)")
    add_common(listing, in_loop(_list))
    again = inner.add_parser("replay", help="send again; ids stay, so receivers can tell repetitions")
    _add_filters(again)
    again.add_argument("--type", help="only events of this type, e.g. call.graded")
    again.add_argument("--failed", action="store_true", help="only deliveries that were given up")
    again.add_argument("--all", action="store_true", help="every event ever, if no other filter is given")
    add_common(again, in_loop(_replay))


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--endpoint", metavar="NAME", help="only this receiver")
    parser.add_argument("--event", metavar="ID", help="only this event")
    parser.add_argument("--call", metavar="ID", help="only this call")
    parser.add_argument("--since", type=moment, default=-math.inf, metavar="TIME", help="e.g. 7d, 2026-11-24")
    parser.add_argument("--until", type=moment, default=math.inf, metavar="TIME")


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        deliveries = await store.deliveries(
            args.endpoint, args.state, args.call, args.event, args.since, args.until, args.limit
        )
        disabled = await store.disabled_endpoints()
    rows = [
        (d.event_id, d.endpoint, d.type, d.call_id, d.state, d.attempts, local(d.delivered_at or d.next_at),
         ": ".join(filter(None, (d.last_error, d.last_answer))) or d.last_status)
        for d in deliveries
    ]  # fmt: skip
    head = ("event", "receiver", "type", "call", "state", "attempts", "delivered / next", "last answer")
    notes = "".join(f"\nreceiver {name} is disabled: {reason}" for name, reason in disabled.items())
    show(args, {"deliveries": deliveries, "disabled": disabled},
         lambda: table(head, rows, "no deliveries") + notes)  # fmt: skip
    return 0


async def _replay(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.replay import Which, replay

    since = args.since if args.since > -math.inf else None
    until = args.until if args.until < math.inf else None
    which = Which(args.endpoint, args.event, args.call, args.type, since, until, failed=args.failed)
    async with existing_store(read_settings(args)) as store:
        try:
            number = await replay(store, which, system_user(), everything=args.all)
        except InputError as error:
            raise InputError(f"webhooks replay: {error}") from None
    show(args, {"replayed": number}, lambda: f"{number} deliveries will be sent by the running service")
    if not number:
        print("emocx-pbx: nothing matched", file=sys.stderr)
    return 0
