"""Calls on a live board, as the journeys would tell of them."""

from __future__ import annotations

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.happenings import Happening
from emocx_pbx.calls.rules import Rules
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.pbx.tracking.changes import AgentJoined, CallStarted, QueueJoined


def waiting(board: LiveBoard, call_id: str, at: float, queue: str = "care") -> CallState:
    """A call that has joined a queue."""
    call = CallState(call_id, Rules(load_rubric()))
    happens(board, call, at, CallStarted(call_id, at, "PJSIP/c-1", queue, "+4930"),
            QueueJoined(call_id, at, queue, 1))  # fmt: skip
    return call


def talking(board: LiveBoard, call: CallState, agent: str, at: float, queue: str = "care") -> None:
    """An agent takes the call."""
    joined = AgentJoined(call.call_id, at, agent, agent, f"PJSIP/{agent}", queue, "queue")
    happens(board, call, at, joined)


def happens(board: LiveBoard, call: CallState, at: float, *happenings: Happening) -> None:
    """Whatever happens to it."""
    for happening in happenings:
        call.take(happening, 0.0)
    board.changed(call, at)
