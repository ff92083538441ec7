"""The part of the check that asks Asterisk: version, rights, modules, queues, dialplan, clock."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping

from emocx_pbx.check.finding import Finding, Level
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.queues import Ami, widening_rules
from emocx_pbx.pbx.versions import OLD_BRANCHES, capabilities, tap_mode
from emocx_pbx.routing.policy import Policy, validate
from emocx_pbx.settings.chat import ChatSettings
from emocx_pbx.settings.settings import Settings
from emocx_pbx.settings.toml import suggestion

#: Actions the service sends, the write right each needs, and what is missing without it.
ACTIONS = (
    ("Originate", "originate", "calls can't be tapped, nor customers called back"),
    ("Getvar", "call", "opt-outs can't be seen, so no call is tapped"),
    ("Status", "call or reporting", "calls under way are forgotten at a restart of the service"),
    ("UserEvent", "user", "alerts are not told at the manager interface"),
    ("QueuePenalty", "agent", "ranks of agents can't be set as queue penalties"),
    ("CoreStatus", "reporting", "a restart of Asterisk can't be told from a cut link"),
)

#: Modules by what they are for; without the first group nothing works, without the second no IVR.
MODULES: Mapping[str, str] = {
    "chan_audiosocket": "taps",
    "app_chanspy": "taps",
    "app_queue": "queues",
    "res_agi": "decisions in the dialplan",
    "app_audiosocket": "questions in the IVR",
}
#: Asterisk's clock and ours may differ by this much before logs and webhooks confuse people.
CLOCK_SLACK_S = 2.0

CONTEXT = "emocx-route"


async def asterisk_findings(
    ami: Ami, version: str, settings: Settings, policy: Policy | None, now: Callable[[], float]
) -> AsyncIterator[Finding]:
    """Ask a connected Asterisk for everything that can be seen with our rights."""
    yield _version(version, settings)
    allowed = await _allowed(ami)
    for finding in _rights(allowed):
        yield finding
    async for finding in _modules(ami):
        yield finding
    async for finding in _queues(ami, policy, settings.chat):
        yield finding
    yield await _dialplan(ami)
    yield await _clock(ami, now)


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
    """Actions that our user may send (ListCommands names no others); None if that can't be seen."""
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


async def _modules(ami: Ami) -> AsyncIterator[Finding]:
    seen = []
    for module, use in MODULES.items():
        try:
            await ami.action("ModuleCheck", {"Module": module})
        except RefusedError as e:
            if "not loaded" not in str(e).lower():
                break
            level: Level = "warn" if module == "app_audiosocket" else "fail"
            yield Finding(level, "modules", f"{module} is not loaded: no {use}", f"module load {module}")
        seen.append(module)
    if seen:
        yield Finding("ok", "modules", f"looked for {', '.join(seen)}")
    else:
        # ModuleCheck needs write=system, which nobody should grant for a check.
        yield Finding(
            "ok", "modules", "not visible with our rights; the self-tap proves those that taps need"
        )


async def _queues(ami: Ami, policy: Policy | None, chat: ChatSettings) -> AsyncIterator[Finding]:
    try:
        events = (await ami.action("QueueStatus", {})).events
    except RefusedError as e:
        yield Finding("fail", "queues", f"the queues can't be listed: {e}", "load app_queue")
        return
    queues = {e["Queue"] for e in events if e.get("Event") == "QueueParams" and "Queue" in e}
    members = {q: 0 for q in queues}
    for event in events:
        if event.get("Event") == "QueueMember" and event.get("Queue") in members:
            members[event["Queue"]] += 1
    if not queues:
        yield Finding(
            "fail", "queues", "Asterisk has no queue", "add one to queues.conf, then: queue reload all"
        )
        return
    problems = validate(policy, queues) if policy else []
    for problem in problems:
        yield Finding("fail", "queues", problem, "correct the policy, or add the queue to Asterisk")
    for place, name in [("default_queue", chat.default_queue), *(("queues", name) for name in chat.queues)]:
        if name and name not in queues:
            near = suggestion(name, queues)
            yield Finding(
                # Who is called back into a queue that is not there is hung up on.
                "fail" if place == "default_queue" else "warn",
                "queues",
                f"chat.{place}: Asterisk has no queue {name}{near}",
                "correct [chat], or add the queue to Asterisk",
            )
    if policy and (waits := policy.tier_waits()):
        yield await _tiers(ami, waits)
    for name in policy.queues() if policy else ():
        if members.get(name) == 0:
            yield Finding(
                "warn",
                "queues",
                f"queue {name} of the policy has no member",
                "add agents, or let them log in",
            )
    if not problems:
        named = ", ".join(sorted(queues)[:8])
        yield Finding("ok", "queues", f"{len(queues)} queues ({named}); the policy's are among them")


async def _tiers(ami: Ami, waits: frozenset[int]) -> Finding:
    """Whether Asterisk ends the wait for a better agent, for a policy that asks for tiers."""
    try:
        missing = sorted(waits - await widening_rules(ami, waits))
        if missing:
            named = ", ".join(f"emocx-{wait}" for wait in missing)
            return Finding(
                "warn", "tiers", f"no queue rule {named}: tiers of the policy are not used",
                "include dialplan/queuerules-emocx.conf in queuerules.conf, then: queue reload rules",
            )  # fmt: skip
        lines = (await ami.action("ShowDialPlan", {})).events
    except RefusedError as e:
        return Finding("warn", "tiers", f"queue rules or dialplan not visible with our rights: {e}")
    if not any("EMOCX_RULE" in line.get("AppData", "") for line in lines):
        return Finding(
            "warn", "tiers", "no Queue() in the dialplan gets EMOCX_RULE: callers of a tier may wait for it",
            "see dialplan/queuerules-emocx.conf; nothing to do where each queue has a defaultrule",
        )  # fmt: skip
    return Finding("ok", "tiers", f"Asterisk ends waits for a better agent ({len(waits)} queue rules)")


async def _dialplan(ami: Ami) -> Finding:
    by_hand = f"look yourself: asterisk -rx 'dialplan show {CONTEXT}'"
    remedy = "include dialplan/emocx.conf in extensions.conf, then: dialplan reload"
    try:
        await ami.action("ShowDialPlan", {"Context": CONTEXT})
    except RefusedError as e:
        if "permission" in str(e).lower():
            return Finding("warn", "dialplan", "not visible with our rights (reporting)", by_hand)
        return Finding("fail", "dialplan", f"there is no context {CONTEXT}", remedy)
    return Finding("ok", "dialplan", f"context {CONTEXT} is there")


async def _clock(ami: Ami, now: Callable[[], float]) -> Finding:
    """Asterisk stamps its pongs."""
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
