"""What became of dialling a customer back, from the events of its channels. Pure.

Sources: DialEnd's DialStatus of the channel that dialled, OriginateResponse, and the cause of the
Hangup (Q.850). A Local channel's own DialEnd says NOANSWER whatever happened behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from emocx_pbx.call_ids import uniqueid_of
from emocx_pbx.pbx.tracking.changes import CallbackDialled, Dialled

_STATUS: Final[Mapping[str, Dialled]] = {
    "ANSWER": "answered",
    "BUSY": "busy",
    "NOANSWER": "no-answer",
    "CANCEL": "no-answer",
}
#: 17 busy; 18 and 19 no response, no answer; 28 is what dialplan/emocx.conf says when it dials nothing.
_CAUSE: Final[Mapping[str, Dialled]] = {"17": "busy", "18": "no-answer", "19": "no-answer"}
_UNSET: Final = "Asterisk dialled nothing: EMOCX_CALLBACK_PREFIX is not set, or the number was refused."


def dialled(call_id: str, before: str, event: Mapping[str, str]) -> str:
    """DialStatus of whoever dialled the number, after a DialEnd of the call."""
    local = event.get("DestChannel", "").startswith("Local/")
    if event.get("DestUniqueid") == uniqueid_of(call_id) and local:
        return before
    return event.get("DialStatus", "")


def outcome_of(call_id: str, status: str, hangup: Mapping[str, str]) -> CallbackDialled:
    """Of a callback that nobody answered.

    Args:
        call_id: the call.
        status: DialStatus of whoever dialled the number; empty if nobody did.
        hangup: the Hangup event of the call's channel.
    """
    cause = hangup.get("Cause", "")
    if cause == "28" and not status:
        return CallbackDialled(call_id, "failed", _UNSET)
    outcome = _STATUS.get(status) if status else _CAUSE.get(cause)
    if outcome is not None and outcome != "answered":
        return CallbackDialled(call_id, outcome)
    if outcome == "answered":
        return CallbackDialled(call_id, "answered", "The customer was gone before a queue was reached.")
    said = " ".join(part for part in (status, hangup.get("Cause-txt", "")) if part)
    return CallbackDialled(call_id, "failed", f"The number could not be dialled: {said}." if said else "")
