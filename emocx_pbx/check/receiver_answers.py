"""The part of the check that finds whether receivers answer, by a valid certificate and a right clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from emocx_pbx.check.finding import Finding
from emocx_pbx.errors import SettingsError
from emocx_pbx.settings.settings import Settings, WebhookSettings
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Knock, Poster

#: Seconds; all receivers are asked at once, and none for longer.
KNOCK_S = 3.0
#: Receivers that follow Standard Webhooks refuse what is more than five minutes off.
SKEW_WARN_S, SKEW_FAIL_S = 30.0, 300.0


async def receiver_answer_findings(settings: Settings, now: Callable[[], float]) -> list[Finding]:
    """Ask each receiver for its headers (HEAD); no event is sent."""
    try:
        poster = Poster(Networks(settings.delivery.allow_networks), settings.ca_path())
    except SettingsError:
        return []  # found with the addresses
    knocks = await asyncio.gather(*(poster.knock(receiver, KNOCK_S) for receiver in settings.webhooks))
    at = now()
    found = [_finding(r, k, at) for r, k in zip(settings.webhooks, knocks, strict=True)]
    return [finding for finding in found if finding is not None]


def _finding(receiver: WebhookSettings, knock: Knock, at: float) -> Finding | None:
    if knock.error:
        return _unreached(receiver.name, knock.error)
    try:
        theirs = parsedate_to_datetime(knock.date).timestamp()
    except ValueError:
        return Finding("ok", "webhooks", f"{receiver.name} answers")
    apart = abs(at - theirs)
    if apart > SKEW_WARN_S:
        who = "behind" if theirs < at else "ahead of"
        return Finding(
            "fail" if apart >= SKEW_FAIL_S else "warn", "webhooks",
            f"{receiver.name}: its clock is {apart:.0f} s {who} ours; receivers refuse what is 300 s off",
            "let both machines set their clocks by NTP (timedatectl tells whether this one does)",
        )  # fmt: skip
    return Finding("ok", "webhooks", f"{receiver.name} answers, its clock agrees with ours")


def _unreached(name: str, error: str) -> Finding | None:
    if "public address" in error or "can't be resolved" in error:
        return None  # found with the addresses
    if "certificate" in error:
        remedy = "name the CA that signed it in [delivery] ca_file, or let the receiver renew it"
    elif "TLS" in error:
        remedy = "correct the receiver's url: is that port one of https?"
    elif "refuses" in error:
        remedy = "start the receiver, or correct the port of its url"
    elif "no answer" in error:
        remedy = "look at the receiver, and at firewalls between here and there"
    else:
        remedy = "look at the receiver, and at its url in [[webhooks]]"
    return Finding("fail", "webhooks", f"{name}: {error}", remedy)
