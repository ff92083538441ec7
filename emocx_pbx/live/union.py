"""Live boards of several controllers as one: each call as known to the controller acting for its PBX.
Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.live.board import RECENT
from emocx_pbx.live.calls import BoardChange, BoardState, EndedCall, LiveCall, Present
from emocx_pbx.live.mirror import Mirror
from emocx_pbx.observe.listeners import Listeners


class LiveUnion:
    """One per web node."""

    def __init__(self) -> None:
        self.whole = Mirror()
        """All calls; its changes have numbers of their own."""
        self.anew: Listeners[[]] = Listeners()
        """Listeners are called when `whole` started afresh: earlier changes do not lead to it."""
        self._boards: dict[str, Mirror] = {}
        self._owners: Mapping[str, str] = {}

    def number(self, life: str) -> int | None:
        """Of the newest change known of a controller's board; None: it has none here."""
        board = self._boards.get(life)
        return board.number if board else None

    def begin(self, life: str, state: BoardState) -> None:
        """Replace a controller's board by its present state."""
        board = self._boards.get(life)
        if board is None:
            board = self._boards[life] = Mirror(max_changes=1)
            board.changes.subscribe(lambda change: self._on_change(life, change))
        board.begin(state)
        if life in self._owners.values():
            self._begin_anew()

    def take(self, life: str, number: int, kind: str, there: Present, data: bytes) -> bool:
        """Take a controller's change; False: one before it is missing, so its board must start afresh."""
        board = self._boards.get(life)
        return board is not None and board.take(number, kind, there, data)

    def leave(self, life: str) -> None:
        """That controller is gone."""
        if self._boards.pop(life, None) is not None and life in self._owners.values():
            self._begin_anew()

    def own(self, owners: Mapping[str, str]) -> None:
        """Which controller, by its life, acts for each PBX."""
        if owners != self._owners:
            self._owners = dict(owners)
            self._begin_anew()

    def _shows(self, life: str, call_id: str) -> bool:
        """Whether a call is shown as this controller has it: it acts for the call's PBX.

        Of a call on no PBX that anybody acts for (a query, before there is one), whoever acts at all.
        """
        owner = self._owners.get(pbx_of(call_id))
        return owner == life or (owner is None and life in self._owners.values())

    def _on_change(self, life: str, change: BoardChange) -> None:
        if self._shows(life, change.body.call_id):
            self.whole.take(self.whole.number + 1, change.kind, change.present, change.data)

    def _begin_anew(self) -> None:
        calls = tuple(self._calls())
        ended = sorted(self._ended(), key=lambda shown: shown[0].ended_at)
        self.whole.begin(BoardState(self.whole.number + 1, calls, tuple(ended[-RECENT:])))
        self.anew.tell()

    def _calls(self) -> Iterator[tuple[LiveCall, Present]]:
        for life, board in self._boards.items():
            yield from (shown for shown in board.state().calls if self._shows(life, shown[0].call_id))

    def _ended(self) -> Iterator[tuple[EndedCall, Present]]:
        for life, board in self._boards.items():
            yield from (shown for shown in board.state().recent if self._shows(life, shown[0].call_id))
