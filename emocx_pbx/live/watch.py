"""What the journeys tell, told to the live board."""

from __future__ import annotations

from collections.abc import Callable

from emocx_pbx.analysis.messages import ReadingMade, TapStarted
from emocx_pbx.calls.alerting import Alerted
from emocx_pbx.calls.happenings import Graded, OptedOut, TakenOver, Told
from emocx_pbx.dispatch.queries import DecidedQuery
from emocx_pbx.domain import Reading, Scores
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.pbx.tracking.tracker import CallEnded, HoldChanged, QueueJoined, SegmentClosed, SegmentOpened


def watching(board: LiveBoard) -> Callable[[Told], None]:
    """What `Journeys.watch` is set to."""

    def watch(told: Told) -> None:
        match told:
            case DecidedQuery(decision, caller):
                if caller.call_id is not None:
                    board.decided(decision, caller.call_id, caller.customer_key, caller.opted_out)
            case QueueJoined(call_id, at, queue):
                board.queued(call_id, at, queue)
            case SegmentOpened(segment):
                board.segment_opened(segment)
            case SegmentClosed(segment):
                board.segment_closed(segment)
            case HoldChanged(call_id, at, on_hold):
                board.hold(call_id, at, on_hold)
            case TapStarted():
                board.tapped(told.call_id)
            case OptedOut(call_id):
                board.opted_out(call_id)
            case ReadingMade():
                scores = Scores(told.probabilities, told.threshold)
                reading = Reading(told.t0, told.t1, told.speech_s, scores, told.model)
                board.reading(told.call_id, reading)
            case Alerted(call_id, change, at):
                if change.state == "raised":
                    board.alert(call_id, change.rule, change.message, at)
                else:
                    board.alert_over(call_id, change.rule, at)
            case Graded(call_id, index, agent, grade):
                board.graded(call_id, index, agent, grade)
            case CallEnded(call_id, at, reason):
                board.ended(call_id, at, reason)
            case TakenOver(course):
                board.taken_over(course)
            case _:
                pass

    return watch
