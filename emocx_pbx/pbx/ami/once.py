"""A link to Asterisk for one command, up or an error, and closed at the end; and one that is only tried."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState, tls_context
from emocx_pbx.pbx.ami.link import AmiLink
from emocx_pbx.settings.settings import AsteriskSettings


@asynccontextmanager
async def connected(settings: AsteriskSettings) -> AsyncIterator[AmiGateway]:
    """A gateway that is up.

    Raises:
        PeerUnavailable: no link at the first try, with its reason.
    """
    first: asyncio.Future[LinkState] = asyncio.get_running_loop().create_future()

    def on_link(state: LinkState) -> None:
        if not first.done():
            first.set_result(state)

    gateway = AmiGateway(settings, lambda event: None, on_link)
    running = asyncio.create_task(gateway.run(), name="ami")
    try:
        # Connecting, logging in and asking for the version have a deadline each.
        async with asyncio.timeout(4 * settings.action_timeout_s):
            state = await first
        if not state.up:
            raise PeerUnavailable(f"no link to Asterisk at {settings.host}:{settings.port}: {state.reason}")
        yield gateway
    except TimeoutError:
        raise PeerUnavailable(f"no answer from {settings.host}:{settings.port} in time") from None
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def try_link(settings: AsteriskSettings, deadline_s: float) -> None:
    """Connect, log in, and leave.

    Raises:
        PeerUnavailable: not done within the deadline, or nobody answers.
        RefusedError: Asterisk refuses us.
        SettingsError: asterisk.tls_ca can't be read.
    """
    link = AmiLink(settings.host, settings.port, tls_context(settings), lambda event: None)
    try:
        async with asyncio.timeout(deadline_s):
            await link.open(deadline_s)
            await link.login(settings.username, settings.secret, settings.auth, deadline_s)
    except TimeoutError:
        raise PeerUnavailable(f"no link within {deadline_s:g} s") from None
    finally:
        link.close()
