"""The part of the check about the Asterisk modules that decisions, taps and the IVR need."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

from emocx_pbx.check.asterisk_values import AsteriskValues
from emocx_pbx.check.finding import Finding, Level

#: Modules by what does not work without them, and how bad that is.
MODULES: Mapping[str, tuple[Level, str]] = {
    "chan_audiosocket": ("fail", "calls can't be tapped"),
    "app_chanspy": ("fail", "calls can't be tapped"),
    "app_queue": ("fail", "there are no queues"),
    "res_agi": ("fail", "no caller is asked for; all go to the default queue"),
    "app_stack": ("fail", "no caller is asked for; all go to the default queue"),
    "func_timeout": ("fail", "no caller is asked for, since nothing would end the wait for a hung service"),
    "func_dialplan": ("fail", "the GotoIf() before emocx-route sends all callers to the default queue"),
    "app_exec": ("warn", "callers can't say what is wrong (emocx-listen)"),
    "app_audiosocket": ("warn", "callers can't say what is wrong (emocx-listen)"),
    "func_uuid": ("warn", "callers can't say what is wrong (emocx-listen)"),
}


async def module_findings(values: AsteriskValues) -> AsyncIterator[Finding]:
    """Look for each."""
    if await values.get("IFMODULE(app_queue.so)") is None:
        yield Finding(
            "warn", "modules", "not visible with our rights (Getvar)",
            "add call to the manager user's write line; the self-tap proves those that taps need",
        )  # fmt: skip
        return
    if await values.has_module("func_module") is None:
        yield Finding(
            "fail", "modules", "func_module is not loaded: the dialplan can't see which modules there are,"
            " so no caller is asked for",
            "asterisk -rx 'module load func_module', and load it in modules.conf",
        )  # fmt: skip
        return
    missing = 0
    for module, (level, lack) in MODULES.items():
        if not await values.has_module(module):
            missing += 1
            yield Finding(
                level, "modules", f"{module} is not loaded: {lack}",
                f"asterisk -rx 'module load {module}', and load it in modules.conf",
            )  # fmt: skip
    if not missing:
        yield Finding("ok", "modules", f"all of the {len(MODULES)} modules are loaded that are needed")
