"""The check: everything that must be in place, each finding with its remedy."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid

from emocx_pbx.check.asterisk import asterisk_findings
from emocx_pbx.check.audit import audit_finding
from emocx_pbx.check.finding import Finding
from emocx_pbx.check.local import local_findings
from emocx_pbx.check.receivers import receiver_findings
from emocx_pbx.check.tap import self_tap
from emocx_pbx.errors import EmocxError, PeerUnavailable
from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState
from emocx_pbx.pbx.versions import tap_mode
from emocx_pbx.routing.policy import Policy, load_policy
from emocx_pbx.settings.settings import Settings

__all__ = ["Finding", "check"]


async def check(settings: Settings, self_tap: bool = True) -> list[Finding]:
    """Look at this machine, then at Asterisk; takes some seconds.

    Args:
        settings: as the service would get them.
        self_tap: also make the test call.

    Raises:
        SettingsError: asterisk.tls_ca can't be read.
    """
    findings = [*local_findings(settings), *receiver_findings(settings)]
    if found := await asyncio.to_thread(audit_finding, settings.store_path()):
        findings.append(found)
    state: asyncio.Future[LinkState] = asyncio.get_running_loop().create_future()

    def on_link(new: LinkState) -> None:
        if not state.done():
            state.set_result(new)

    gateway = AmiGateway(settings.asterisk, lambda event: None, on_link)
    running = asyncio.create_task(gateway.run(), name="ami")
    try:
        # Connecting, logging in and asking for the version have a deadline each.
        async with asyncio.timeout(4 * settings.asterisk.action_timeout_s):
            link = await state
        findings.append(_login(link, settings))
        if link.up:
            findings += await _connected(gateway, link, settings, self_tap)
    except (TimeoutError, PeerUnavailable) as e:
        findings.append(
            Finding(
                "fail", "asterisk", f"no answer in time: {e}", "is that a manager port? see asterisk.port"
            )
        )
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return findings


async def _connected(
    gateway: AmiGateway, link: LinkState, settings: Settings, with_tap: bool
) -> list[Finding]:
    policy: Policy | None = None
    with contextlib.suppress(EmocxError):  # found by the local part
        policy = load_policy(settings.policy_path())
    findings = [f async for f in asterisk_findings(gateway, link.version, settings, policy, time.time)]
    if with_tap:
        mode = tap_mode(settings.asterisk.tap, link.version)
        findings.append(await self_tap(gateway, mode, settings, uuid.uuid4))
    return findings


def _login(link: LinkState, settings: Settings) -> Finding:
    where = f"{settings.asterisk.host}:{settings.asterisk.port}"
    if link.up:
        return Finding("ok", "asterisk", f"logged in at {where} as {settings.asterisk.username}")
    if "authentication" in link.reason.lower() or "permission" in link.reason.lower():
        remedy = (
            "compare asterisk.username and secret with manager.conf, and its permit lines; "
            "sample: dialplan/manager-emocx.conf; then: manager reload"
        )
    else:
        remedy = (
            "is Asterisk running, with enabled = yes in manager.conf, and is this its address? "
            "see asterisk.host and asterisk.port"
        )
    return Finding("fail", "asterisk", f"no login at {where}: {link.reason}", remedy)
