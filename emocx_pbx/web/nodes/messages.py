"""What web nodes and controllers say to each other over NATS, beside the messages of `web/messages.py`.

What is told may be lost: numbers say so, and whoever misses something asks for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping

from emocx_pbx.chat.moves import CallIsOver, CallTaken, CallTalks, CallWaits
from emocx_pbx.web import messages as m
from emocx_pbx.wire.message import Message


class ControllerBeat(Message, frozen=True):
    """A controller lives; sent twice a second."""

    node: str
    """What its host is called."""
    version: str
    acts: Mapping[str, int]
    """PBXes that it acts for, with the number of its term."""
    board: int
    """Number of the live board's newest change: all before it were told."""
    state: int
    """Number of its state; another one means that the state differs."""


class WebNews(Message, frozen=True):
    """What one controller tells all web nodes, or of its live board the one that asked."""

    life: str
    what: (
        ControllerBeat
        | m.BoardChanged
        | m.BoardNow
        | m.ReceiversChanged
        | CallWaits
        | CallTaken
        | CallTalks
        | CallIsOver
    )


class AskState(Message, frozen=True):
    """How does the controller stand? Answered by StateIs."""


class StateIs(Message, frozen=True):
    """Answers AskState."""

    number: int
    state: m.StateNow


class AskBoard(Message, frozen=True):
    """Send the live board; answered by Taken, and then by BoardNow on the node's own subject."""

    node: str
    """Life of the web node."""


class Taken(Message, frozen=True):
    """It was understood."""


class NodeBeat(Message, frozen=True):
    """A web node lives; sent twice a second."""

    life: str
    node: str
    version: str
    uses: tuple[tuple[str, str, int], ...] = ()
    """What counts towards a limit since the last beat: the limit's name, whose, how often; less than 0: it
    does not count after all."""


ToController = m.Asking | m.BecameCall | AskState | AskBoard
FromController = m.Answering | StateIs | Taken
