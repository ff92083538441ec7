"""Opens the HTTP door: the server with its own TLS, if set, and the first administrator's link."""

from __future__ import annotations

import ssl
import time

from aiohttp import web

from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.accounts import Accounts
from emocx_pbx.web.identity.links import announce_first_link


async def listen(app: web.Application, settings: Settings, accounts: Accounts) -> web.AppRunner:
    """Listen as the settings say; the runner's `addresses` tell the port.

    Raises:
        SettingsError: the files of TLS can't be used.
        OSError: the address is taken.
    """
    tls = tls_context(settings)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, settings.http.host, settings.http.port, ssl_context=tls)
    await site.start()
    await announce_first_link(accounts, settings.http, runner.addresses[0][1], time.time())
    return runner


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """The server's TLS by http.tls_cert and tls_key; None without.

    Raises:
        SettingsError: the files can't be used.
    """
    http = settings.http
    if not http.tls_cert:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(settings.resolve(http.tls_cert), settings.resolve(http.tls_key))
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"http.tls_cert, tls_key: can't be used: {error}") from error
    return context
