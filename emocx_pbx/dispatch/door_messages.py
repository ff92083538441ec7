"""What the door on a PBX asks of the controllers, and what they answer."""

from __future__ import annotations

from typing import Final

from emocx_pbx.routing.levers import OWN_VARIABLES
from emocx_pbx.wire.message import Message

#: Of the caller's channel: all that a decision looks at. The door reads them first, as the controllers can't.
VARIABLES: Final = (
    "EMOCX_CUSTOMER",
    "EMOCX_DEFAULT_QUEUE",
    "EMOCX_OPTOUT",
    "EMOCX_ATTRIBUTES",
    *OWN_VARIABLES,
    "EMOCX_QUERY",
)
#: By it the door finds, when a caller has spoken, the controller that was told of the question.
BY: Final = "EMOCX_BY"


class AskedAtDoor(Message, frozen=True):
    """A request of the dialplan, as the door took it."""

    env: dict[str, str]
    """All agi_ variables."""
    variables: dict[str, str]
    """VARIABLES of the caller's channel."""
    question: str = ""
    """Names the request, by 32 hexadecimal digits. Whoever decides it, it is one decision; empty: of an
    earlier door."""


class NotDecided(Message, frozen=True):
    """There is no answer, of a worker that was asked at its socket."""

    why: str


class AnsweredToDoor(Message, frozen=True):
    """What is to be set on the caller's channel."""

    variables: dict[str, str]
    """In this order."""
    by: str
    """Life of the controller."""
