"""A board that is told of calls as the journeys tell it."""

from __future__ import annotations

from emocx_pbx.analysis.messages import ReadingMade, TapStarted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import Show
from emocx_pbx.calls.happenings import Graded, Happening, News
from emocx_pbx.calls.rules import Rules
from emocx_pbx.dispatch.asked import Caller, DecidedQuery
from emocx_pbx.domain import Decision, Grade, Segment
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.calls import BoardChange
from emocx_pbx.live.watch import watching
from emocx_pbx.pbx.tracking.changes import AgentJoined, AgentLeft, CallEnded, CallStarted, QueueJoined

ANGRY = (0.85, 0.05, 0.07, 0.03)
HAPPY = (0.02, 0.06, 0.02, 0.9)
RULES = Rules(load_rubric())


class Observed:
    """A board, its changes, and short words for what happens."""

    def __init__(self, max_changes: int = 2048) -> None:
        self.board = LiveBoard(12.0, max_changes)
        self.changes: list[BoardChange] = []
        self.calls: dict[str, CallState] = {}
        self.board.changes.subscribe(self.changes.append)
        self._watch = watching(self.board, lambda: 500.0)

    def call(self, call_id: str) -> CallState:
        return self.calls.setdefault(call_id, CallState(call_id, RULES))

    def happens(self, happening: Happening, call_id: str = "1.1") -> None:
        call = self.call(call_id)
        for effect in call.take(happening, 0.0):
            if isinstance(effect, Show) and not isinstance(effect.news, Graded):
                self._watch(effect.news, call)

    def watch(self, observed: News, call_id: str = "1.1") -> None:
        self._watch(observed, self.call(call_id))

    def decided(self, call_id: str = "1.1", emotion: str = "angry", at: float = 90.0) -> None:
        decision = Decision("dec_1", at, "ok", "care", emotion, 0.9, None, topic="bill", language="de")
        self.happens(DecidedQuery(decision, Caller(call_id, "crm-1"), None), call_id)

    def waits(self, call_id: str = "1.1", queue: str = "care", at: float = 100.0) -> None:
        self.happens(CallStarted(call_id, at, "PJSIP/c-1", queue, "+4930"), call_id)
        self.happens(QueueJoined(call_id, at, queue, 1), call_id)

    def talks(self, call_id: str = "1.1", agent: str = "bob", index: int = 0, at: float = 110.0) -> Segment:
        joined = AgentJoined(call_id, at, agent, agent, f"PJSIP/{agent}", "care", "queue")
        self.happens(joined, call_id)
        self.happens(TapStarted("u", call_id, at), call_id)
        return self.call(call_id).segments[index]

    def leaves(self, segment: Segment, at: float = 150.0) -> None:
        left = AgentLeft(segment.call_id, at, segment.agent, "agent_hung_up")
        self.happens(left, segment.call_id)

    def says(
        self, call_id: str = "1.1", probabilities: tuple[float, ...] = ANGRY, t0: float = 0.0, s: float = 4.0
    ) -> None:
        made = ReadingMade("u", call_id, t0, t0 + s, s, probabilities, 0.4, "cnn/1")  # type: ignore[arg-type]
        self.happens(made, call_id)

    def words_come(self, t0: float, probabilities: tuple[float, float, float, float], s: float = 4.0) -> None:
        """Words come to a reading of 1.1 by voice."""
        made = ReadingMade(
            "u", "1.1", t0, t0 + s, s, probabilities, 0.4, "cnn/1", voice=HAPPY, words=ANGRY, revises=True
        )
        self.happens(made)

    def graded(self, call_id: str = "1.1", index: int = 0, agent: str = "bob", score: float = 71.0) -> None:
        grade = Grade(score, "B", 60.0, 80.0, 30.0)
        self.call(call_id).grades[index] = grade
        self._watch(Graded(call_id, index, agent, grade), self.call(call_id))

    def ends(self, call_id: str = "1.1", at: float = 160.0) -> None:
        self.happens(CallEnded(call_id, at, "hangup"), call_id)

    @property
    def kinds(self) -> list[str]:
        return [change.kind for change in self.changes]
