"""`emocx-pbx serve`: the controller and its analysis workers."""

from __future__ import annotations

import argparse

from emocx_pbx.commands.shared import add_common, read_settings

#: The roles: which part of the work a process does.
ROLES = ("all", "controller", "web", "sender")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("serve", help="run the service beside Asterisk, until SIGTERM")
    parser.add_argument(
        "--role",
        choices=ROLES,
        default="all",
        help="all; controller: all but sending webhooks; web: pages and API alone; sender: webhooks alone (of"
        " several processes that share a PostgreSQL database)",
    )
    add_common(parser, run, json=False)


def run(args: argparse.Namespace) -> int:
    """Serve until told to stop; SIGHUP reloads settings, policy and models."""
    import asyncio
    import os

    import structlog

    from emocx_pbx.check.local import warnings
    from emocx_pbx.observe.logs import configure
    from emocx_pbx.service.notify import Supervisor
    from emocx_pbx.service.run import serve
    from emocx_pbx.service.sender_role import send

    settings = read_settings(args)
    configure(settings.log)
    for finding in warnings(settings):
        structlog.get_logger().warning(finding.what, key="settings.risk", remedy=finding.remedy)
    # Taken away: workers and the web process are not the service.
    address = os.environ.pop("NOTIFY_SOCKET", "")
    microseconds = os.environ.pop("WATCHDOG_USEC", "0")
    watchdog_s = int(microseconds) / 1e6 if microseconds.isdigit() else 0.0
    supervisor = Supervisor(address, watchdog_s)
    if args.role == "sender":
        asyncio.run(send(settings, lambda: read_settings(args), supervisor))
        return 0
    if args.role == "web":
        from emocx_pbx.service.web_role import serve_web  # here: one host alone needs no NATS

        asyncio.run(serve_web(settings, lambda: read_settings(args), supervisor))
        return 0
    asyncio.run(
        serve(
            settings,
            read_again=lambda: read_settings(args),
            supervisor=supervisor,
            sending=args.role == "all",
        )
    )
    return 0
