"""A controller's side of the web nodes: sends them live state and answers their requests, over NATS.

Imported only if [cluster] names servers. Nothing is sent while there is no web node. Messages may get lost;
each beat carries the numbers of what must have arrived, and a node that lacks something asks for everything.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping
from importlib.metadata import version
from typing import Final

import msgspec
import structlog

from emocx_pbx.analysis.cluster import subjects
from emocx_pbx.chat.moves import CallMoved
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.calls import BoardChange, in_pieces
from emocx_pbx.observe.tasks import Tasks
from emocx_pbx.routing.policy import policy_digest
from emocx_pbx.service.web_answers import WebAnswers
from emocx_pbx.web import messages as m
from emocx_pbx.web.nodes.messages import (
    AskBoard,
    AskState,
    ControllerBeat,
    FromController,
    NodeBeat,
    StateIs,
    Taken,
    ToController,
    WebNews,
)
from emocx_pbx.wire.bus import Bus
from emocx_pbx.wire.message import Message

log = structlog.get_logger()

#: Seconds between two beats.
BEAT_S: Final = 0.5
#: Seconds of silence after which a web node counts as gone.
NODE_LOST_S: Final = 5.0
#: Messages that may wait to be sent; beyond that all are dropped, and nodes ask for the board.
MAX_WAITING: Final = 16_384
#: Calls in one message of the live board: far below NATS's limit (1 MiB).
CALLS_EACH: Final = 100

_ASKED: Final = msgspec.msgpack.Decoder(ToController)
_NODE: Final = msgspec.msgpack.Decoder(NodeBeat)
_encode = msgspec.msgpack.Encoder().encode


class WebNodes:
    """One per controller in a cluster."""

    def __init__(
        self,
        bus: Bus,
        life: str,
        node: str,
        answers: WebAnswers,
        board: LiveBoard,
        acts: Callable[[], Mapping[str, int]],
        clock: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            bus: the connection.
            life: identifies this process of the controller.
            node: the name of this host.
            answers: answers requests.
            board: the live board.
            acts: the PBXes that we act for, with the number of our term.
            clock: monotonic seconds.
        """
        self._bus, self._life, self._node, self._answers = bus, life, node, answers
        self._board, self._acts, self._clock = board, acts, clock
        self._seen: dict[str, float] = {}
        """When each web node last sent a message, in monotonic seconds."""
        self._waiting: deque[tuple[str, Message]] = deque()
        self._wake = asyncio.Event()
        self._state, self._state_number = b"", 0
        board.changes.subscribe(self._on_change)

    async def start(self, tasks: Tasks) -> None:
        """Answer requests and send state from now on."""
        await self._bus.hear(subjects.WEB_NODES, _NODE, self._on_node)
        await self._bus.answer(subjects.web_asked(self._life), _ASKED, self._answer)
        tasks.keep(self._beat, name="web nodes")
        tasks.keep(self._send, name="telling web nodes")

    @property
    def listening(self) -> bool:
        """Whether there is a web node."""
        return bool(self._seen)

    # Out.

    def watch(self, moved: CallMoved) -> None:
        """Pass on what chats need to know of calls."""
        self._tell(moved)

    def receivers_changed(self) -> None:
        """The controller changed receivers in the store."""
        self._tell(m.ReceiversChanged())

    def _on_change(self, change: BoardChange) -> None:
        self._tell(m.BoardChanged(change.number, change.kind, change.present, change.data))

    def _tell(
        self, what: ControllerBeat | m.BoardChanged | m.BoardNow | m.ReceiversChanged | CallMoved
    ) -> None:
        if self._seen or isinstance(what, ControllerBeat):
            self._put(subjects.web_news(self._life), WebNews(self._life, what))

    def _put(self, subject: str, message: Message) -> None:
        if len(self._waiting) >= MAX_WAITING:
            self._waiting.clear()
            log.warning("web nodes were not told all", key="web_nodes.behind")
        self._waiting.append((subject, message))
        self._wake.set()

    async def _send(self) -> None:
        """Send the messages one after the other, in order, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._bus.tell(*self._waiting.popleft())

    async def _beat(self) -> None:
        while True:
            at = self._clock()
            self._seen = {life: seen for life, seen in self._seen.items() if at - seen < NODE_LOST_S}
            state = self._look()
            self._tell(
                ControllerBeat(
                    self._node,
                    version("emocx-pbx"),
                    dict(self._acts()),
                    self._board.number,
                    self._state_number,
                    self._clock(),
                    policy_digest(state.policy),
                )
            )
            await asyncio.sleep(BEAT_S)

    def _look(self) -> m.StateNow:
        """The current state, under a new number if it changed."""
        state = self._answers.state()
        encoded = _encode(state)
        if encoded != self._state:
            self._state, self._state_number = encoded, self._state_number + 1
        return state

    # In.

    def _on_node(self, beat: NodeBeat) -> None:
        if beat.life not in self._seen:
            log.info("web node found", key="web_nodes.found", node=beat.node)
        self._seen[beat.life] = self._clock()

    async def _answer(self, asked: ToController) -> FromController:
        match asked:
            case AskState():
                state = self._look()
                return StateIs(self._state_number, state)
            case AskBoard(node):
                self._seen[node] = self._clock()
                parts = in_pieces(self._board.state(), CALLS_EACH)
                for number, part in enumerate(parts, start=1):
                    now = m.BoardNow(part, number == 1, number == len(parts))
                    self._put(subjects.web_board(node), WebNews(self._life, now))
                return Taken()
            case m.BecameCall():
                self._answers.became_call(asked)
                return Taken()
            case _:
                return await self._answers.answer(asked)
