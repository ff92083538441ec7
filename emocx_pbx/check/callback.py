"""The part of the check that finds whether customers who ask for it can be called back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from emocx_pbx.check.asterisk_values import AsteriskValues
from emocx_pbx.check.finding import Finding

_LOCAL = re.compile(r"Local/[^@]*@([^/]+)")


async def callback_findings(channel: str, values: AsteriskValues) -> AsyncIterator[Finding]:
    """Look where `asterisk.callback_channel` leads."""
    local = _LOCAL.match(channel)
    if local is None:
        return
    context = local[1]
    there = await values.has_context(context)
    if there is False:
        yield Finding(
            "fail", "callback", f"asterisk.callback_channel leads to context {context}, which is not there",
            "correct asterisk.callback_channel (FreePBX: Local/{number}@from-internal/n), or include"
            " dialplan/emocx.conf",
        )  # fmt: skip
        return
    if context == "emocx-callback" and await values.get("EMOCX_CALLBACK_PREFIX") == "":
        yield Finding(
            "warn", "callback", "EMOCX_CALLBACK_PREFIX is not set: nobody can be called back",
            "set EMOCX_CALLBACK_PREFIX (such as PJSIP/) and EMOCX_CALLBACK_SUFFIX (such as @my-trunk) in"
            " [globals] of extensions.conf, then: dialplan reload",
        )  # fmt: skip
