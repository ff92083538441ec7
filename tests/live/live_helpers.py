"""A board that is told of calls as the journeys tell it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from emocx_pbx.analysis.messages import ReadingMade, TapStarted
from emocx_pbx.calls.happenings import Graded
from emocx_pbx.dispatch.queries import Caller, DecidedQuery
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.calls import Change
from emocx_pbx.live.watch import watching
from emocx_pbx.pbx.tracking.tracker import CallEnded, CallStarted, QueueJoined, SegmentClosed, SegmentOpened

ANGRY = (0.85, 0.05, 0.07, 0.03)
HAPPY = (0.02, 0.06, 0.02, 0.9)


class Told:
    """A board, its changes, and short words for what happens."""

    def __init__(self, max_changes: int = 2048) -> None:
        self.board = LiveBoard(12.0, max_changes)
        self.changes: list[Change] = []
        self.board.on_change = self.changes.append
        self.watch = watching(self.board)

    def decided(self, call_id: str = "1.1", emotion: str = "angry", at: float = 90.0) -> None:
        decision = Decision("dec_1", at, "ok", "care", emotion, 0.9, None, topic="bill")
        self.watch(DecidedQuery(decision, Caller(call_id, "crm-1"), None))

    def waits(self, call_id: str = "1.1", queue: str = "care", at: float = 100.0) -> None:
        self.watch(CallStarted(call_id, at, "PJSIP/c-1", queue, "+4930"))
        self.watch(QueueJoined(call_id, at, queue, 1))

    def talks(self, call_id: str = "1.1", agent: str = "bob", index: int = 0, at: float = 110.0) -> Segment:
        segment = Segment(call_id, index, agent, f"PJSIP/{agent}", "care", "queue", at)
        self.watch(SegmentOpened(segment))
        self.watch(TapStarted("u", call_id, at))
        return segment

    def leaves(self, segment: Segment, at: float = 150.0) -> None:
        self.watch(SegmentClosed(replace(segment, ended_at=at)))

    def says(
        self, call_id: str = "1.1", probabilities: tuple[float, ...] = ANGRY, t0: float = 0.0, s: float = 4.0
    ) -> None:
        self.watch(ReadingMade("u", call_id, t0, t0 + s, s, probabilities, 0.4, "cnn/1"))  # type: ignore[arg-type]

    def graded(self, call_id: str = "1.1", index: int = 0, agent: str = "bob", score: float = 71.0) -> None:
        self.watch(Graded(call_id, index, agent, Grade(score, "B", 60.0, 80.0, 30.0)))

    def ends(self, call_id: str = "1.1", at: float = 160.0, reason: Any = "hangup") -> None:
        self.watch(CallEnded(call_id, at, reason))

    @property
    def kinds(self) -> list[str]:
        return [change.kind for change in self.changes]
