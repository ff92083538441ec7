"""`emocx-pbx webhooks list|replay|test`: what receivers got, sending it again, and trying a receiver."""

from __future__ import annotations

import argparse
import math
import sys
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    add_common,
    add_limit,
    add_times,
    existing_store,
    in_loop,
    local,
    read_settings,
    show,
    system_user,
    table,
)
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.webhooks.schedule import AttemptOutcome


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("webhooks", help="list deliveries, send events again, try a receiver")
    inner = parser.add_subparsers(dest="webhooks_command", required=True, metavar="COMMAND")
    listing = inner.add_parser("list", help="deliveries, newest first, and receivers that are disabled")
    _add_filters(listing)
    listing.add_argument("--state", choices=("pending", "delivered", "failed"))
    add_limit(listing)
    add_common(listing, in_loop(_list))
    again = inner.add_parser("replay", help="send again; ids stay, so receivers can recognise repetitions")
    _add_filters(again)
    again.add_argument("--type", help="only events of this type, e.g. call.graded")
    again.add_argument("--failed", action="store_true", help="only deliveries that were given up")
    again.add_argument("--all", action="store_true", help="every event ever, if no other filter is given")
    add_common(again, in_loop(_replay))
    trial = inner.add_parser(
        "test", help="send a receiver one signed webhook.test; exit 1 if it does not accept it"
    )
    trial.add_argument("name", metavar="NAME", help="the receiver, of the settings or of the pages")
    add_common(trial, in_loop(_test))


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--receiver", "--endpoint", metavar="NAME", help="only this receiver")
    parser.add_argument("--event", metavar="ID", help="only this event")
    parser.add_argument("--call", metavar="ID", help="only this call")
    add_times(parser)


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        deliveries = await store.outbox.deliveries(
            args.receiver, args.state, args.call, args.event, args.since, args.until, args.limit
        )
        disabled = await store.outbox.disabled()
    rows = [
        (d.event_id, d.receiver, d.type, d.call_id, d.state, d.attempts, local(d.delivered_at or d.next_at),
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
    which = Which(args.receiver, args.event, args.call, args.type, since, until, failed=args.failed)
    async with existing_store(read_settings(args)) as store:
        try:
            number = await replay(store, which, system_user(), everything=args.all)
        except InputError as error:
            raise InputError(f"webhooks replay: {error}") from None
    show(args, {"replayed": number}, lambda: f"{number} deliveries will be sent by the running service")
    if not number:
        print("emocx-pbx: nothing matched", file=sys.stderr)
    return 0


async def _test(args: argparse.Namespace) -> int:
    from emocx_pbx.webhooks.networks import Networks
    from emocx_pbx.webhooks.post import Poster
    from emocx_pbx.webhooks.sender import Sender

    settings = read_settings(args)
    async with existing_store(settings) as store:
        names = [hook.name for hook in store.receivers.current()]
        if args.name not in names:
            raise InputError(
                f"webhooks test: no receiver {args.name}; there are: {', '.join(names) or 'none'}"
            )
        poster = Poster(Networks(settings.delivery.allow_networks), settings.ca_path())
        outcome = await Sender(store.outbox, store.receivers.current, poster).test(args.name)
        disabled = (await store.outbox.disabled()).get(args.name)
    answer = {"name": args.name, "taken": outcome.taken, "outcome": outcome, "disabled": disabled}
    show(args, answer, lambda: _tried(args.name, outcome, disabled))
    return 0 if outcome.taken else NOT_IN_ORDER


def _tried(name: str, outcome: AttemptOutcome, disabled: str | None) -> str:
    status = f"HTTP {outcome.status}" if outcome.status is not None else ""
    why = ": ".join(filter(None, (status, outcome.error, outcome.said)))
    said = f"{name} took it ({status})" if outcome.taken else f"{name} did not take it: {why}"
    return f"{said}; nothing else is sent to it, it is disabled: {disabled}" if disabled else said
