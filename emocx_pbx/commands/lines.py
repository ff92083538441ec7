"""`emocx-pbx lines show|reset`: how speech models' answers lean on the site's lines."""

from __future__ import annotations

import argparse
from typing import Any

from emocx_pbx.commands.shared import (
    add_common,
    existing_store,
    in_loop,
    local,
    read_settings,
    show,
    system_user,
    table,
)


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("lines", help="corrections learnt for each line; forget them")
    inner = parser.add_subparsers(dest="lines_command", required=True, metavar="COMMAND")
    showing = inner.add_parser("show", help="every line: callers, and the offsets that correct answers there")
    add_common(showing, in_loop(_show))
    back = inner.add_parser("reset", help="learn anew, e.g. after a change of carrier or codec")
    back.add_argument("--model", metavar="NAME/VERSION", help="of this speech model alone")
    back.add_argument("--line", help="this line alone, as `show` names it")
    add_common(back, in_loop(_reset))


async def _show(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.lines import known_lines

    settings = read_settings(args)
    async with existing_store(settings) as store:
        lines = await known_lines(store, settings.analysis)

    def words() -> str:
        rows: list[tuple[Any, ...]] = [
            (
                line.model,
                line.line,
                line.callers,
                "yes" if line.used else f"no: {line.why_not}",
                f"{line.centred_callers}{'' if line.centred else ' (not used)'}"
                if line.centred_callers
                else "-",
                *(f"{offset:+.2f}" for offset in line.offsets.values()),
                local(line.at),
            )
            for line in lines
        ]
        names = tuple(lines[0].offsets) if lines else ()
        head = ("model", "line", "callers", "used", "centre of", *names, "last call")
        return table(head, rows, "no calls were learnt from yet")

    show(args, {"mix": settings.analysis.line_mix, "lines": lines}, words)
    return 0


async def _reset(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.lines import reset_lines

    async with existing_store(read_settings(args)) as store:
        number = await reset_lines(store, args.model, args.line, system_user())
    text = f"{number} lines forgotten; a running service knows within a minute"
    show(args, {"lines": number}, lambda: text)
    return 0
