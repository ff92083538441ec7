"""`emocx-pbx penalties show|restore`: who rings first, and the administrator's own penalties back."""

from __future__ import annotations

import argparse
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import (
    NOT_IN_ORDER,
    add_common,
    add_pbx,
    existing_store,
    in_loop,
    read_settings,
    show,
    table,
)

if TYPE_CHECKING:
    from emocx_pbx.dispatch.penalty_keeper import MemberStanding, PenaltyKeeper


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("penalties", help="penalties that the ranking sets; restore your own")
    inner = parser.add_subparsers(dest="penalties_command", required=True, metavar="COMMAND")
    showing = inner.add_parser("show", help="every member: penalty now, your own, and what the ranking says")
    add_common(showing, in_loop(_show))
    add_pbx(showing)
    back = inner.add_parser("restore", help="put back what was there before, e.g. after a crash")
    add_common(back, in_loop(_restore))
    add_pbx(back)


@asynccontextmanager
async def _keeper(args: argparse.Namespace) -> AsyncIterator[PenaltyKeeper]:
    import logging

    import structlog

    from emocx_pbx.dispatch.penalty_keeper import PenaltyKeeper, RankedPbx
    from emocx_pbx.dispatch.policy_in_force import Policies
    from emocx_pbx.pbx.ami.once import connected
    from emocx_pbx.pbx.tracking.tracked import AgentNames

    # What was done is the output; the gateway's own lines would only repeat it.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    every = read_settings(args)
    settings, names_of = every.pbx_named(args.pbx), [pbx.name for pbx in every.each_pbx()]
    pattern = settings.asterisk.agent_name_regex
    names = AgentNames(re.compile(pattern) if pattern else None)
    async with existing_store(settings) as store, connected(settings.asterisk) as ami:
        policies = Policies(settings.policy_path(), names_of)
        pbx = RankedPbx(ami, names, settings.asterisk.name)
        yield PenaltyKeeper(pbx, store.ranking, policies, settings.routing)


async def _show(args: argparse.Namespace) -> int:
    async with _keeper(args) as keeper:
        standings = await keeper.standings()
    show(args, {"members": standings}, lambda: words(standings))
    return 0


async def _restore(args: argparse.Namespace) -> int:
    async with _keeper(args) as keeper:
        done = await keeper.restore(deadline_s=30.0)
        left = await keeper.left()
    text = f"{done} penalties put back" + (f", {left} not: see `emocx-pbx penalties show`" if left else "")
    text += "; a running service sets its own again (stop it, or set routing.rank = false)" if done else ""
    show(args, {"restored": done, "left": left}, lambda: text)
    return NOT_IN_ORDER if left else 0


def words(standings: list[MemberStanding]) -> str:
    """One line per member, by queue, who rings first on top."""
    head = ("queue", "ordered by", "agent", "member", "penalty", "own", "tier", "expected", "calls", "why")
    rows = [
        (
            s.queue,
            s.emotion,
            s.agent,
            s.interface,
            s.penalty,
            s.own,
            s.tier,
            None if s.mean is None else f"{s.mean:.1f} +-{s.sd:.1f}",
            None if s.calls is None else f"{s.calls:.0f}",
            s.why,
        )
        for s in standings
    ]
    return table(head, rows, "the queues have no members")
