"""The part of the check that asks Asterisk: version, rights, modules, queues, dialplan, clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from uuid import UUID

from emocx_pbx.check.asterisk_values import AsteriskValues
from emocx_pbx.check.callback import callback_findings
from emocx_pbx.check.dialplan import (
    Line,
    conf_version,
    dialplan_findings,
    fits,
    gets_rule,
    visible_lines,
)
from emocx_pbx.check.finding import Finding
from emocx_pbx.check.modules import module_findings
from emocx_pbx.check.queues import (
    media_findings,
    member_findings,
    named_findings,
    penalty_findings,
    queue_list,
    tier_findings,
)
from emocx_pbx.check.received import EventsReceived, received_findings
from emocx_pbx.check.walk import walk_findings
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.pbx.versions import OLD_BRANCHES, capabilities, tap_mode
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.settings import Settings

#: Actions that the service sends, the write permission that each needs, and what is lost without it.
ACTIONS = (
    ("Originate", "originate", "calls can't be tapped, nor customers called back"),
    ("Getvar", "call", "opt-outs can't be seen, so no call is tapped"),
    ("Status", "call or reporting", "calls under way are forgotten at a restart of the service"),
    ("UserEvent", "user", "alerts are not told at the manager interface"),
    ("QueuePenalty", "agent", "ranks of agents can't be set as queue penalties"),
    ("CoreStatus", "reporting", "a restart of Asterisk can't be told from a cut link"),
)

#: Seconds by which Asterisk's clock and ours may differ before logs and webhooks confuse people.
CLOCK_SLACK_S = 2.0


async def asterisk_findings(
    ami: Ami,
    version: str,
    settings: Settings,
    policy: Policy | None,
    now: Callable[[], float],
    received: EventsReceived,
    new_uuid: Callable[[], UUID],
) -> AsyncIterator[Finding]:
    """Ask a connected Asterisk for everything that our permissions let us see.

    Args:
        ami: the link.
        version: of Asterisk.
        settings: as the service would get them.
        policy: None if it can't be read.
        now: Unix seconds.
        received: the link's events.
        new_uuid: names the check's own channels.
    """
    values = AsteriskValues(ami)
    yield _version(version, settings)
    for finding in _rights(await _allowed(ami)):
        yield finding
    async for finding in received_findings(ami, values, received, settings.asterisk.username, new_uuid):
        yield finding
    async for finding in module_findings(values):
        yield finding
    lines = await visible_lines(ami)
    if (named := _name(await values.get("EMOCX_PBX"), settings.asterisk.name)) is not None:
        yield named
    async for finding in _queues(ami, values, policy, settings, lines):
        yield finding
    async for finding in callback_findings(settings.asterisk.callback_channel, values):
        yield finding
    if not isinstance(lines, Finding) and fits(conf_version(lines), settings.asterisk.name):
        async for finding in walk_findings(ami, values, settings, new_uuid):
            yield finding
    yield await _clock(ami, now)


def _name(named: str | None, name: str) -> Finding | None:
    """Whether the dialplan gives this PBX the name that the settings give it; None: nothing to say."""
    if named is None or named == "(null)":
        named = ""
    if named == name or (not named and not name):
        return (
            Finding("ok", "name", f"the dialplan calls this PBX {name}, as the settings do") if name else None
        )
    says = f"EMOCX_PBX is {named}" if named else "EMOCX_PBX is not set"
    return Finding(
        "fail", "name", f"{says}, the settings call this PBX {name or 'nothing'}: no caller is decided on",
        f"set EMOCX_PBX = {name} in [globals] of extensions.conf, then: dialplan reload",
    )  # fmt: skip


def _version(version: str, settings: Settings) -> Finding:
    able = capabilities(version)
    mode = tap_mode(settings.asterisk.tap, version)
    name = f"Asterisk {version or 'of unknown version'}"
    if not version:
        return Finding(
            "warn", "version", f"{name}: calls are tapped {mode}",
            "give the manager user write = reporting so that the best tap can be chosen",
        )  # fmt: skip
    if not able.audiosocket:
        return Finding(
            "fail", "version", f"{name} has no AudioSocket: calls can't be tapped", "upgrade to 20 or newer"
        )
    if mode == "stereo" and not able.stereo_tap:
        return Finding(
            "fail", "version", f'{name} can\'t do asterisk.tap = "stereo"', 'set asterisk.tap = "auto"'
        )
    if mode in {"dual", "customer"} and not able.stereo_tap:
        return Finding(
            "warn", "version", f"{name} can't tap both sides in one stream; the tap is {mode}",
            "upgrade to 20.7, 21.2, 22.0 or newer",
        )  # fmt: skip
    if able.version and able.version[0] in OLD_BRANCHES:
        return Finding(
            "warn",
            "version",
            f"{name}, tap {mode}; that branch gets no fixes any more",
            "upgrade to 20 or 22",
        )
    if not able.session_end_continues:
        return Finding(
            "warn", "version", f"{name}, tap {mode}; its AudioSocket() is fragile in the IVR",
            "use it by TryExec as dialplan/emocx.conf does, or upgrade to 20.14, 22.4 or newer",
        )  # fmt: skip
    return Finding("ok", "version", f"{name}, tap {mode}")


async def _allowed(ami: Ami) -> Mapping[str, str] | None:
    """Actions that our user may send, as listed by ListCommands; None if that can't be seen."""
    try:
        return (await ami.action("ListCommands", {})).headers
    except RefusedError:
        return None


def _rights(allowed: Mapping[str, str] | None) -> list[Finding]:
    sample = "see dialplan/manager-emocx.conf"
    if allowed is None:
        return [Finding("warn", "rights", "the manager user's rights can't be seen", sample)]
    found = [
        Finding(
            "warn" if right in ("agent", "user") else "fail",
            "rights",
            f"no right to {action}: {lack}",
            f"add {right} to the user's write line; {sample}",
        )
        for action, right, lack in ACTIONS
        if action not in allowed
    ]
    if "Command" in allowed:
        found.append(
            Finding(
                "warn",
                "rights",
                "the manager user may run any CLI command, which the service never does",
                f"take command out of its write line; {sample}",
            )
        )
    return found or [Finding("ok", "rights", "the manager user may send all that is needed, and no more")]


async def _queues(
    ami: Ami, values: AsteriskValues, policy: Policy | None, settings: Settings, lines: list[Line] | Finding
) -> AsyncIterator[Finding]:
    """Queues, and the dialplan that leads to them."""
    visible = [] if isinstance(lines, Finding) else lines
    try:
        queues = await queue_list(ami)
    except RefusedError as e:
        yield Finding("fail", "queues", f"the queues can't be listed: {e}", "load app_queue")
        return
    for finding in named_findings(queues, policy, settings.chat):
        yield finding
    for finding in member_findings(queues):
        yield finding
    async for finding in media_findings(queues, values):
        yield finding
    if policy:
        limited = [rule for rule in policy.rules if rule.limited]
        tiered = frozenset(rule.queue or policy.default_queue for rule in limited)
        async for finding in penalty_findings(queues, frozenset(policy.queues()), tiered, values):
            yield finding
        if limited:
            given = None if isinstance(lines, Finding) else gets_rule(visible)
            yield await tier_findings(ami, policy, given, values)
    if isinstance(lines, Finding):
        yield lines
    for finding in (
        dialplan_findings(visible, queues.strategies, settings.asterisk.name)
        if not isinstance(lines, Finding)
        else ()
    ):
        yield finding


async def _clock(ami: Ami, now: Callable[[], float]) -> Finding:
    """Asterisk's clock, by the time stamp of its pong."""
    before = now()
    try:
        stamp = (await ami.action("Ping", {})).headers.get("Timestamp", "")
    except (RefusedError, PeerUnavailable) as e:
        return Finding("warn", "clock", f"Asterisk's clock can't be read: {e}")
    try:
        theirs = float(stamp)
    except ValueError:
        return Finding("ok", "clock", "Asterisk does not tell its clock")
    apart = max(0.0, before - theirs, theirs - now())
    if apart > CLOCK_SLACK_S:
        return Finding(
            "warn", "clock", f"Asterisk's clock is {apart:.0f} s apart from ours",
            "let both machines set their clocks by NTP",
        )  # fmt: skip
    return Finding("ok", "clock", "Asterisk's clock and ours agree")
