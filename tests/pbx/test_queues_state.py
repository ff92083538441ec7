"""QueueStatus as Asterisk answers it, to the states that policies ask for."""

from __future__ import annotations

import re

from emocx_pbx.pbx.queues import queue_arguments, queue_members, queue_states
from emocx_pbx.pbx.tracking.tracked import AgentNames
from emocx_pbx.routing.decision import QueueState


def test_waiting_callers_and_free_members_are_counted() -> None:
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
        "care": QueueState(waiting=2, longest_wait_s=31.0, available=1, penalties=frozenset({0})),
        "sales": QueueState(waiting=0, longest_wait_s=0.0, available=0),
    }


def test_members_are_called_what_grades_call_them() -> None:
    events = [
        {"Event": "QueueParams", "Queue": "800"},
        {
            "Event": "QueueMember", "Queue": "800", "Name": "Ada Byron", "Location": "Local/101@from-queue/n",
            "Penalty": "2", "Status": "1", "Paused": "1",
        },
        {"Event": "QueueMember", "Queue": "800", "Location": "PJSIP/102", "Penalty": "0", "Status": "5"},
        {"Event": "QueueMember", "Queue": "800", "Location": "PJSIP/103", "Penalty": "1", "Status": "2"},
    ]  # fmt: skip
    by_name = queue_members(events, AgentNames())
    assert [(m.agent, m.penalty, m.present) for m in by_name] == [
        ("Ada Byron", 2, False), ("PJSIP/102", 0, False), ("PJSIP/103", 1, True),
    ]  # fmt: skip
    by_number = queue_members(events, AgentNames(re.compile(r"(\d{3})")))
    assert [m.agent for m in by_number] == ["101", "102", "103"]
    assert queue_states(events)["800"].penalties == {1}


def test_the_rule_has_its_place_by_version() -> None:
    assert queue_arguments("care", "", "22.1.0") == "care"
    assert queue_arguments("care", "emocx-20", "22.1.0") == "care,,,,,,,emocx-20"
    assert queue_arguments("care", "emocx-20", "20.13.0") == "care,,,,,,,,emocx-20"
