"""The check: everything that must be in place, each finding with its remedy."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from pathlib import Path

from emocx_pbx.check.asterisk import asterisk_findings
from emocx_pbx.check.audit import audit_finding
from emocx_pbx.check.cluster import cluster_findings
from emocx_pbx.check.finding import Finding, Role, of_pbx
from emocx_pbx.check.local import local_findings
from emocx_pbx.check.login import login_finding
from emocx_pbx.check.needs import memory_finding, needs_findings, web_needs_findings
from emocx_pbx.check.ports import Port, port_findings
from emocx_pbx.check.received import EventsReceived
from emocx_pbx.check.receiver_answers import receiver_answer_findings
from emocx_pbx.check.receivers import receiver_findings
from emocx_pbx.check.stored import database_finding
from emocx_pbx.check.stored_postgres import postgres_findings
from emocx_pbx.check.tap import self_tap
from emocx_pbx.errors import EmocxError, PeerUnavailable, SettingsError
from emocx_pbx.pbx.ami.gateway import AmiGateway, LinkState
from emocx_pbx.pbx.versions import tap_mode
from emocx_pbx.routing.policy import Policy, load_policy, policy_on
from emocx_pbx.settings.settings import AsteriskSettings, Settings

__all__ = ["Finding", "check"]

#: An Asterisk that is slower than this to let us in is not there for calls either.
LOGIN_S = 8.0


async def check(settings: Settings, self_tap: bool = True, role: Role = "all") -> list[Finding]:
    """Look at this machine, then at Asterisk and the receivers; takes a few seconds.

    Args:
        settings: as the service would get them.
        self_tap: also make the test call.
        role: web: only what a web node needs, which does not include Asterisk, models or receivers.
    """
    if role == "web":
        return await _web(settings)
    policy: Policy | None = None
    with contextlib.suppress(EmocxError):  # found by the local part
        policy = load_policy(settings.policy_path())
    findings = [_settings_file(settings), *local_findings(settings), *needs_findings(settings, policy)]
    # Before the check listens itself, where the service does not.
    ports = [finding async for finding in port_findings(settings)]
    if not any("by the running service" in finding.what for finding in ports):
        ports.append(memory_finding(settings.analysis.workers + settings.analysis.spare_worker, _meminfo()))
    if settings.store.url:
        stored = await postgres_findings(settings.store.url, time.time)
    else:
        database = await asyncio.to_thread(database_finding, settings.store_path())
        audit = await asyncio.to_thread(audit_finding, settings.store_path())
        stored = [finding for finding in (database, audit) if finding]
    receivers, *pbxes = await asyncio.gather(
        _receivers(settings), *(_pbx(settings, pbx, policy, self_tap) for pbx in settings.each_pbx())
    )
    shared = [*stored, *await cluster_findings(settings)]
    return [*findings, *ports, *shared, *receivers, *(finding for found in pbxes for finding in found)]


async def _web(settings: Settings) -> list[Finding]:
    """What a web node needs."""
    findings = [_settings_file(settings), *web_needs_findings(settings)]
    http = settings.http
    ports = [Port("http.port", http.host, http.port, "http")]
    findings += [finding async for finding in port_findings(settings, ports)]
    if settings.store.url:
        findings += await postgres_findings(settings.store.url, time.time)
    else:
        findings.append(
            Finding("fail", "database", "store.url is empty: a web node shares PostgreSQL", "set it")
        )
    return [*findings, *await cluster_findings(settings, "web")]


async def _pbx(
    settings: Settings, pbx: AsteriskSettings, policy: Policy | None, with_tap: bool
) -> list[Finding]:
    """The findings about one PBX, with its name."""
    here = None if policy is None else policy_on(policy, pbx.name)
    return [of_pbx(f, pbx.name) for f in await _asterisk(settings.of_pbx(pbx), here, with_tap)]


async def _receivers(settings: Settings) -> list[Finding]:
    addresses = await asyncio.to_thread(lambda: list(receiver_findings(settings)))
    return [*addresses, *await receiver_answer_findings(settings, time.time)]


async def _asterisk(settings: Settings, policy: Policy | None, with_tap: bool) -> list[Finding]:
    """Log in, and look at everything that can be seen from there."""
    received = EventsReceived()
    state: asyncio.Future[LinkState] = asyncio.get_running_loop().create_future()

    def on_link(new: LinkState) -> None:
        if not state.done():
            state.set_result(new)

    try:
        gateway = AmiGateway(settings.asterisk, received.take, on_link)
    except SettingsError:
        return []  # asterisk.tls_ca, found among the certificates
    running = asyncio.create_task(gateway.run(), name="ami")
    try:
        # Connecting, logging in and asking for the version have a deadline each.
        async with asyncio.timeout(LOGIN_S):
            link = await state
        findings = [login_finding(link, settings.asterisk)]
        if link.up:
            findings += await _connected(gateway, link, settings, policy, with_tap, received)
    except (TimeoutError, PeerUnavailable) as e:
        findings = [
            Finding(
                "fail", "asterisk", f"no answer in time: {e}", "is that a manager port? see asterisk.port"
            )
        ]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    return findings


async def _connected(
    gateway: AmiGateway,
    link: LinkState,
    settings: Settings,
    policy: Policy | None,
    with_tap: bool,
    received: EventsReceived,
) -> list[Finding]:
    async def look() -> list[Finding]:
        found = asterisk_findings(gateway, link.version, settings, policy, time.time, received, uuid.uuid4)
        return [finding async for finding in found]

    if not with_tap:
        return await look()
    mode = tap_mode(settings.asterisk.tap, link.version)
    seen, tapped = await asyncio.gather(look(), self_tap(gateway, mode, settings, uuid.uuid4))
    return [*seen, tapped]


def _meminfo() -> str:
    try:
        return Path("/proc/meminfo").read_text()
    except OSError:
        return ""


def _settings_file(settings: Settings) -> Finding:
    """Says which settings everything that follows is about."""
    if settings.file:
        return Finding("ok", "settings", f"read from {settings.file}")
    return Finding(
        "warn", "settings", "no settings file was read: these are defaults and the environment's",
        "name it by --config or EMOCX_CONFIG, or put it at /etc/emocx-pbx/emocx.toml",
    )  # fmt: skip
