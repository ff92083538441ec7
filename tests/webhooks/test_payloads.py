"""Every event that is built fits its published schema, and the schemas are those of the code."""

from __future__ import annotations

import json
from dataclasses import replace

import msgspec
import pytest
from jsonschema import Draft202012Validator

from emocx_pbx.alerts.watch import AlertChange
from emocx_pbx.domain import Contribution, Decision, Grade, Reading, Scores, Segment
from emocx_pbx.events import build
from emocx_pbx.events.event import NewEvent, iso, wants
from emocx_pbx.events.payloads import PAYLOADS, SCHEMAS, schema_text
from emocx_pbx.settings.settings import EVENT_TYPES

SEGMENT = Segment("1700.1", 0, "bob", "PJSIP/bob", "vip", "queue", 1000.0, 1060.5, "agent_left")
GRADE = Grade(
    61.5, "B", 55.0, 70.0, 20.0, (Contribution("base", 61.5, "all", (0,)),), facts={"agent_talk_share": 0.5}
)
NO_GRADE = Grade(None, None, None, None, 3.0)
DECISION = Decision("d1", 90.0, "ok", "vip", "angry", 0.9, {"angry": 0.9}, topic="parcel", reasons=("x",))
RAISED = AlertChange("angry", "raised", 3.0, 30.0, 30.0, 20.0, "", "Signals of anger in 20 s of speech.")
CLEARED = replace(RAISED, state="cleared", t1=50.0, value=9.0, reason="recovered", message="It is over.")
READING = Reading(0.5, 3.5, 2.9, Scores((0.7, 0.1, 0.1, 0.1), 0.4), "cnn/1")
BOTH = replace(READING, voice=(0.4, 0.4, 0.1, 0.1), words=(0.8, 0.1, 0.05, 0.05))

EVENTS = [
    build.query_routed(DECISION, None, "cust"),
    build.query_routed(DECISION, "1700.1", None),
    build.call_started("1700.1", 1000.0, "vip", "+4930", "cust", "d1"),
    build.call_started("1700.1", 1000.0, None, "", None, None),
    build.call_reading("1700.1", READING, 1004.0, SEGMENT),
    build.call_reading("1700.1", replace(READING, scores=Scores((0.25,) * 4, 0.4)), 1004.0, None),
    build.call_reading("1700.1", BOTH, 1004.0, SEGMENT),
    build.reading_revised("1700.1", BOTH, 1004.0, SEGMENT, 1),
    build.reading_revised("1700.1", replace(BOTH, voice=None), 1004.0, None, 1),
    build.call_alert("1700.1", RAISED, 1.0, SEGMENT),
    build.call_alert("1700.1", CLEARED, 1.0, None),
    build.call_graded(SEGMENT, GRADE, 1061.0, "cust", "d1"),
    build.call_graded(SEGMENT, NO_GRADE, 1061.0),
    build.grade_revised(
        SEGMENT, GRADE, NO_GRADE, revision=1, kind="override", author="kim", reason="heard it", at=2000.0
    ),
    build.call_ended(
        "1700.1", 990.0, 1062.0, "hangup", "vip", [SEGMENT, replace(SEGMENT, index=1)], {0: GRADE}
    ),
    build.call_ended("1700.1", 990.0, 1062.0, "abandoned", None, [], {}),
    build.customer_erased(["1700.1"], ["d1", "d2"], 1063.0),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda e: e.type)
def test_what_is_built_fits_its_schema(event: NewEvent) -> None:
    schema = json.loads((SCHEMAS / f"{event.type}.json").read_text())
    Draft202012Validator.check_schema(schema)
    body = json.loads(event.body(3))
    Draft202012Validator(schema).validate(body)
    assert body["data"]["sequence"] == 3
    assert len(event.body(3)) < 20_000
    del body["data"]["schema_version"]
    assert list(Draft202012Validator(schema).iter_errors(body))


def test_every_type_is_built_and_has_its_schema() -> None:
    assert {e.type for e in EVENTS} == set(EVENT_TYPES) == set(PAYLOADS)
    assert {p.stem for p in SCHEMAS.glob("*.json")} == set(EVENT_TYPES)


@pytest.mark.parametrize("event_type", EVENT_TYPES)
def test_schema_files_are_made_of_the_code(event_type: str) -> None:
    """If this fails: python -m emocx_pbx.events.payloads."""
    assert (SCHEMAS / f"{event_type}.json").read_text() == schema_text(event_type)


def test_an_uncertain_reading_is_told_as_such() -> None:
    assert EVENTS[5].data["emotion"] == "uncertain"


def test_every_field_is_there_even_when_unknown() -> None:
    assert EVENTS[3].data == {
        "started_at": "1970-01-01T00:16:40.000Z",
        "queue": None,
        "caller": None,
        "customer_key": None,
        "decision_id": None,
    }


def test_repeating_readings_and_alerts_have_ids_of_their_own() -> None:
    later = build.call_reading("1700.1", replace(READING, t0=3.5, t1=6.0), 1008.0, SEGMENT)
    assert later.event_id != EVENTS[4].event_id
    again = build.call_reading("1700.1", READING, 2000.0, None)
    assert again.event_id == EVENTS[4].event_id
    ids = {
        build.call_alert("1700.1", change, at, None).event_id for change in (RAISED, CLEARED) for at in (1, 2)
    }
    assert len(ids) == 2


def test_readings_are_sent_only_to_who_asked() -> None:
    assert not wants((), "call.reading")
    assert wants((), "call.ended")
    assert wants(("call.reading",), "call.reading")
    assert not wants(("call.reading",), "call.ended")


def test_times_are_utc() -> None:
    assert iso(0.0005) == "1970-01-01T00:00:00.000Z"
    assert iso(1_795_512_528.25) == "2026-11-24T09:28:48.250Z"


def test_the_envelope_is_that_of_the_specification() -> None:
    body = msgspec.json.decode(NewEvent("call.started", "c", {"x": None}, 1.0).body(1))
    assert body == {
        "type": "call.started",
        "timestamp": "1970-01-01T00:00:01.000Z",
        "data": {"call_id": "c", "pbx": "", "sequence": 1, "schema_version": 1, "x": None},
    }
