"""The part of the check that walks the path of a decision with a call of its own.

A Local channel enters emocx-check, which does everything that emocx-route does, with a question that decides
nothing. The running service answers it, or else the check itself at the service's address.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from emocx_pbx.check.asterisk_values import AsteriskValues
from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import RefusedError, SettingsError
from emocx_pbx.pbx.agi.allow import AllowList
from emocx_pbx.pbx.agi.answers import CHECK_ANSWER, CHECK_PATH
from emocx_pbx.pbx.agi.server import AgiRequest, AgiServer
from emocx_pbx.pbx.ami.ami import Ami
from emocx_pbx.settings.settings import Settings

#: Seconds that the walk may take beyond the dialplan's own guard.
WALK_S = 2.5
_STEP_S = 0.05


@dataclass(frozen=True, slots=True)
class Walked:
    """What was set on the channel at the end of its path."""

    status: str
    decision: str
    why: str
    fired: bool
    agi: str
    agi_status: str
    guard: str


async def walk_findings(
    ami: Ami, values: AsteriskValues, settings: Settings, new_uuid: Callable[[], UUID]
) -> AsyncIterator[Finding]:
    """Walk the path, and say where it ends."""
    async with _answering(settings):
        try:
            walked = await _walk(ami, values, f"emocx-check-{new_uuid()}")
        except RefusedError as e:
            yield Finding(
                "fail", "decision path", f"Asterisk refused the call: {e}",
                "add originate to the manager user's write line",
            )  # fmt: skip
            return
    if walked is None:
        yield Finding(
            "fail", "decision path", "a call into emocx-check did not come to its end",
            "look at Asterisk's log; is chan_local (part of Asterisk's core) disabled?",
        )  # fmt: skip
        return
    yield _path(walked, settings)
    if (short := _guard(walked, settings)) is not None:
        yield short


@asynccontextmanager
async def _answering(settings: Settings) -> AsyncIterator[None]:
    """Stand in for the service where it does not run; its callers keep their defaults meanwhile."""

    async def answer(request: AgiRequest) -> Mapping[str, str]:
        if request.path != CHECK_PATH:
            raise RefusedError("only the check is running")
        return CHECK_ANSWER

    allow = AllowList([settings.asterisk.host], settings.agi.allow)
    server = AgiServer(settings.agi, answer, allow=allow)
    # The port is taken: by the service, or by something that the walk will find.
    with contextlib.suppress(SettingsError):
        await server.start()
    try:
        yield
    finally:
        await server.stop()


async def _walk(ami: Ami, values: AsteriskValues, uniqueid: str) -> Walked | None:
    """Originate, wait for the end, and read the channel; None if it never reached the end."""
    other = f"{uniqueid}-2"
    await ami.action(
        "Originate",
        {
            "Channel": "Local/s@emocx-check/n",
            "Application": "Wait",
            "Data": "10",
            "ChannelId": uniqueid,
            "OtherChannelId": other,
            "CallerID": '"emocx check" <emocx>',
            "Timeout": "8000",
            "Async": "true",
        },
    )
    try:
        if not await _ended(values, other):
            return None

        async def of(name: str) -> str:
            return await values.get(name, other) or ""

        return Walked(
            await of("EMOCX_STATUS"), await of("EMOCX_DECISION"), await of("emocx_why"),
            await of("emocx_fired") == "1", await of("emocx_agi"), await of("AGISTATUS"),
            await of("emocx_guard"),
        )  # fmt: skip
    finally:
        with contextlib.suppress(RefusedError):  # gone already
            await ami.action("Hangup", {"Channel": uniqueid})


async def _ended(values: AsteriskValues, channel: str) -> bool:
    """Wait for the walk's end, for as long as the dialplan's own guard lets it last."""
    guard = _seconds(await values.get("EMOCX_GUARD") or "1.5")
    for _ in range(round((min(guard, 5.0) + WALK_S) / _STEP_S)):
        if await values.get("EMOCX_CHECKED", channel) == "1":
            return True
        await asyncio.sleep(_STEP_S)
    return False


def _path(walked: Walked, settings: Settings) -> Finding:
    topic, ours = "decision path", settings.agi
    if walked.status == "ok" and walked.decision == CHECK_ANSWER["EMOCX_DECISION"]:
        return Finding("ok", topic, f"the dialplan asks at {walked.agi} and is answered")
    if walked.why == "func_timeout" and _seconds(walked.guard) <= 0:
        return Finding(
            "fail", topic, f"no caller is asked for: EMOCX_GUARD is {walked.guard}, which is no time",
            "set EMOCX_GUARD = 1.5 in [globals] of extensions.conf, then: dialplan reload",
        )  # fmt: skip
    if walked.why:
        return Finding(
            "fail", topic, f"no caller is asked for: {walked.why} is missing",
            f"asterisk -rx 'module load {walked.why}', and load it in modules.conf",
        )  # fmt: skip
    port = walked.agi.rpartition(":")[2]
    if port != str(ours.port):
        return Finding(
            "fail", topic, f"the dialplan asks at {walked.agi}, the service listens on port {ours.port}",
            f"set EMOCX_AGI = {walked.agi.rpartition(':')[0] or ours.host}:{ours.port} in [globals] of"
            " extensions.conf, or agi.port in the settings",
        )  # fmt: skip
    if walked.fired:
        return Finding(
            "fail", topic, f"{walked.agi} did not answer within {walked.guard} s",
            "restart the service if it hangs; is another program on that port, or EMOCX_AGI wrong?",
        )  # fmt: skip
    if walked.agi_status == "SUCCESS":
        return Finding(
            "fail", topic, f"something else than this service answered at {walked.agi}",
            "end the program on that port, or restart the service after an upgrade; else change agi.port"
            " and EMOCX_AGI",
        )  # fmt: skip
    return Finding(
        "fail", topic, f"Asterisk can't connect to {walked.agi} (AGISTATUS {walked.agi_status})",
        f"set EMOCX_AGI to where the service listens ({ours.host}:{ours.port}), and let Asterisk through"
        " the firewall",
    )  # fmt: skip


def _guard(walked: Walked, settings: Settings) -> Finding | None:
    guard, deadline = _seconds(walked.guard), settings.agi.deadline_s
    if not 0 < guard <= deadline:
        return None
    return Finding(
        "fail", "guard",
        f"the dialplan waits {guard:g} s (EMOCX_GUARD), the service may take {deadline:g} s:"
        " late answers are thrown away",
        f"set EMOCX_GUARD to more than {deadline:g} in [globals], or agi.deadline_s to less than {guard:g}",
    )  # fmt: skip


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
