"""Passes news from the journeys to the live board."""

from __future__ import annotations

from collections.abc import Callable
from typing import assert_never

from emocx_pbx.analysis.messages import ReadingMade
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.happenings import (
    Changed,
    Ended,
    Graded,
    LetGo,
    News,
    QueryDecided,
    SegmentClosed,
    SegmentOpened,
    TakenOver,
)
from emocx_pbx.domain import Reading, Scores
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.pbx.tracking.changes import AgentConnected, CallStarted, HoldChanged, QueueJoined


def watching(board: LiveBoard, now: Callable[[], float]) -> Callable[[News, CallState], None]:
    """What `Journeys.watch` is set to."""

    def watch(news: News, call: CallState) -> None:
        match news:
            case QueryDecided(decision=decision):
                board.changed(call, decision.at)
            case QueueJoined(at=at) | HoldChanged(at=at):
                board.changed(call, at)
            case SegmentOpened(segment):
                board.changed(call, segment.started_at)
            case SegmentClosed(segment):
                board.changed(call, segment.ended_at or now())
            case ReadingMade(revises=True):
                board.revised(call)
            case ReadingMade():
                scores = Scores(news.probabilities, news.threshold)
                board.reading(call, Reading(news.t0, news.t1, news.speech_s, scores, news.model))
            case Alerted(call_id, change, at):
                if change.state == "raised":
                    board.alert(call_id, change.rule, change.message, at)
                else:
                    board.alert_over(call_id, change.rule, at)
            case Graded(call_id, index, agent, grade):
                board.graded(call_id, index, agent, grade)
            case Ended(at=at, reason=reason, disposition=disposition):
                board.ended(call, at, reason, disposition)
            case Changed():
                board.changed(call, now())
            case TakenOver():
                board.taken_over(call)
            case LetGo(call_id):
                board.let_go(call_id)
            case AgentConnected() | CallStarted():
                pass
            case _:
                assert_never(news)

    return watch
