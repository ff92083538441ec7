"""`emocx-pbx door`: answers a PBX's dialplan on its own loopback, by asking a cluster's controllers."""

from __future__ import annotations

import argparse

from emocx_pbx.commands.shared import add_common, in_loop, read_settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "door", help="answer the dialplan of a PBX beside it, by asking a cluster's controllers"
    )
    add_common(parser, in_loop(run), json=False)


async def run(args: argparse.Namespace) -> int:
    """Answer until SIGTERM."""
    from emocx_pbx.analysis.cluster.plan import login_of
    from emocx_pbx.errors import SettingsError
    from emocx_pbx.observe.logs import configure
    from emocx_pbx.service.door import keep_door
    from emocx_pbx.wire.bus import Bus

    settings = read_settings(args)
    if not settings.cluster.servers:
        raise SettingsError("cluster.nats is empty: a door needs the servers of a cluster")
    configure(settings.log)
    local = settings.resolve(settings.cluster.local) if settings.cluster.local else None
    hosts = [pbx.host for pbx in settings.each_pbx()]
    await keep_door(settings.agi, Bus(login_of(settings, "door")), hosts, local=local)
    return 0
