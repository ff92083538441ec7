"""The requests of the door on a PBX to the controllers, and their answers."""

from __future__ import annotations

from typing import Final

from emocx_pbx.routing.levers import OWN_VARIABLES
from emocx_pbx.wire.message import Message

#: The caller's channel variables that a decision uses. The door reads them in advance, as the controllers
#: can't.
VARIABLES: Final = (
    "EMOCX_CUSTOMER",
    "EMOCX_DEFAULT_QUEUE",
    "EMOCX_OPTOUT",
    "EMOCX_ATTRIBUTES",
    *OWN_VARIABLES,
    "EMOCX_QUERY",
)
#: Through it the door finds, once a caller has spoken, the controller that knows of the question.
BY: Final = "EMOCX_BY"


class AskedAtDoor(Message, frozen=True):
    """A request of the dialplan, as the door received it."""

    env: dict[str, str]
    """All agi_ variables."""
    variables: dict[str, str]
    """The VARIABLES of the caller's channel."""
    question: str = ""
    """Identifies the request, in 32 hexadecimal digits: whoever decides it, it is one decision. Empty: the
    door is of an earlier version."""


class NotDecided(Message, frozen=True):
    """A worker that was asked at its socket has no answer."""

    why: str


class AnsweredToDoor(Message, frozen=True):
    """What to set on the caller's channel."""

    variables: dict[str, str]
    """The variables to set, in this order."""
    by: str
    """Identifies this run of the controller."""
