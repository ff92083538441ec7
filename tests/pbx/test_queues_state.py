"""QueueStatus as Asterisk answers it, to the states that policies ask for."""

from emocx_pbx.pbx.queues import queue_states
from emocx_pbx.routing.decision import QueueState


def test_waiting_callers_and_free_members_are_counted():
    events = [
        {"Event": "QueueParams", "Queue": "care", "Calls": "2"},
        {"Event": "QueueMember", "Queue": "care", "Status": "1", "Paused": "0"},
        {"Event": "QueueMember", "Queue": "care", "Status": "1", "Paused": "1"},
        {"Event": "QueueMember", "Queue": "care", "Status": "2", "Paused": "0"},
        {"Event": "QueueEntry", "Queue": "care", "Wait": "31"},
        {"Event": "QueueEntry", "Queue": "care", "Wait": "7"},
        {"Event": "QueueParams", "Queue": "sales", "Calls": "0"},
        {"Event": "QueueStatusComplete"},
    ]
    assert queue_states(events) == {
        "care": QueueState(waiting=2, longest_wait_s=31.0, available=1),
        "sales": QueueState(waiting=0, longest_wait_s=0.0, available=0),
    }
