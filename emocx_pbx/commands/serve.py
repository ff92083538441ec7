"""`emocx-pbx serve`: the controller and its analysis workers."""

from __future__ import annotations

import argparse

from emocx_pbx.commands.shared import add_common, read_settings


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = commands.add_parser("serve", help="run the service beside Asterisk, until SIGTERM")
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

    settings = read_settings(args)
    configure(settings.log)
    for finding in warnings(settings):
        structlog.get_logger().warning(finding.what, key="settings.risk", remedy=finding.remedy)
    # Taken away: workers and the web process are not the service.
    address = os.environ.pop("NOTIFY_SOCKET", "")
    microseconds = os.environ.pop("WATCHDOG_USEC", "0")
    watchdog_s = int(microseconds) / 1e6 if microseconds.isdigit() else 0.0
    supervisor = Supervisor(address, watchdog_s)
    asyncio.run(serve(settings, read_again=lambda: read_settings(args), supervisor=supervisor))
    return 0
