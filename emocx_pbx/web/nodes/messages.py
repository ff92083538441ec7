"""The messages between web nodes and controllers over NATS, in addition to those of `web/messages.py`.

Messages may be lost: numbers show this, and whoever misses something asks for everything.
"""

from __future__ import annotations

from collections.abc import Mapping

from emocx_pbx.chat.moves import CallIsOver, CallTaken, CallTalks, CallWaits
from emocx_pbx.web import messages as m
from emocx_pbx.wire.message import Message


class ControllerBeat(Message, frozen=True):
    """A controller lives; sent twice a second."""

    node: str
    """The name of its host."""
    version: str
    acts: Mapping[str, int]
    """PBXes that it acts for, each with the number of its term."""
    board: int
    """Number of the live board's newest change: all before it were sent."""
    state: int
    """Number of its state; another one means that the state changed."""
    clock: float | None = None
    """Its monotonic clock (seconds) when this was sent."""
    policy: str = ""
    """Digest of the policy in force; empty: of a version that does not say."""


class WebNews(Message, frozen=True):
    """A controller's message to all web nodes, or a part of its live board to the one that asked."""

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
    """Asks for the controller's state; answered by StateIs."""


class StateIs(Message, frozen=True):
    """Answers AskState."""

    number: int
    state: m.StateNow


class AskBoard(Message, frozen=True):
    """Send the live board; answered by Taken, and then by BoardNow on the node's own subject."""

    node: str
    """Identifies the process of the web node."""


class Taken(Message, frozen=True):
    """It was understood."""


class NodeBeat(Message, frozen=True):
    """A web node lives; sent twice a second."""

    life: str
    node: str
    version: str
    uses: tuple[tuple[str, str, int], ...] = ()
    """Uses that count towards a limit since the last beat: the limit's name, its key, how many; less than 0:
    they do not count after all."""


ToController = m.Asking | m.BecameCall | AskState | AskBoard
FromController = m.Answering | StateIs | Taken
