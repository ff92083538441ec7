"""AMI values: checked actions, restarts, versions, waits."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.ami.message import REFUSED_CAP_S, Birth, asterisk_version, backoff, checked_action


@given(st.text(), st.text())
def test_an_action_that_passes_is_exactly_one_action(key: str, value: str) -> None:
    try:
        action = checked_action("Originate", {key: value})
    except ProtocolError:
        return
    sent = "".join(f"{k}: {v}\r\n" for k, v in action.items()).encode() + b"\r\n"
    assert sent.count(b"\r\n\r\n") == 1
    assert sent.count(b"\n") == sent.count(b"\r") == len(action) + 1


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("Setvar", {"Channel": "PJSIP/a-1", "Variable": "A", "Value": "x\r\nChannel: PJSIP/b-2"}),
        ("Setvar", {"Channel": "PJSIP/a-1", "Variable": "A", "Value": "x\ny"}),
        ("Originate", {"Variable": ["A=1", "B=2\r3"]}),
        ("Ping\r\nAction: Originate", {}),
        ("Ping", {"Key: x\r\nOther": "1"}),
        ("Ping", {"": "1"}),
        ("Ping", {"Zero": "a\0b"}),
        ("Ping", {"Long": "é" * 600}),
        ("Ping", {"Surrogate": "\ud800"}),
        ("Ping", {"Many": ["x"] * 200}),
        ("", {}),
        ("Setvar", {"Variable": "A", "Value": "1"}),
        ("Setvar", {"Channel": "", "Variable": "A", "Value": "1"}),
        ("setvar", {"channel": "  ", "Variable": "A", "Value": "1"}),
        ("Setvar", {"Channel": [], "Variable": "A", "Value": "1"}),
    ],
)
def test_what_would_arrive_as_something_else_is_refused(
    name: str, fields: dict[str, str | list[str]]
) -> None:
    with pytest.raises(ProtocolError):
        checked_action(name, fields)


@pytest.mark.parametrize(
    ("earlier", "later", "restarted"),
    [
        (Birth("d t", None, 0), Birth("d t", None, 99), False),
        (Birth("d t", None, 0), Birth("d u", None, 99), True),
        (Birth(None, 1000, 0), Birth(None, 1060, 60), False),
        (Birth(None, 1000, 0), Birth(None, 1058, 60), False),  # whole seconds, and answers take time
        (Birth(None, 1000, 0), Birth(None, 5, 60), True),
        (Birth(None, 10, 0), Birth(None, 30, 60), True),
        (Birth("d t", 1000, 0), Birth(None, 5, 60), True),
        (Birth(None, None, 0), Birth("d t", None, 60), False),
        (Birth(None, None, 0), Birth(None, None, 60), False),
    ],
)
def test_a_restart_is_told_from_a_lost_link(earlier: Birth, later: Birth, restarted: bool) -> None:
    assert later.differs_from(earlier) is restarted


@pytest.mark.parametrize(
    ("core", "banner", "version"),
    [
        ("22.10.1", "11.0.0", "22.10.1"),
        ("20.13.0~dfsg+~cs6.14.1-1", "9.0.0", "20.13.0"),
        ("certified/20.7-cert3", "9.0.0", "20.7"),
        ("", "11.0.0", "22.0.0"),
        ("GIT-master-abc", "", ""),
        ("", "1.1", ""),
    ],
)
def test_version(core: str, banner: str, version: str) -> None:
    assert asterisk_version(core, banner) == version


def test_waits_double_up_to_a_cap_with_jitter() -> None:
    class Highest(random.Random):
        def random(self) -> float:
            return 1.0

    ceilings = [backoff(n, Highest()) for n in range(1, 40)]
    assert ceilings[0] == 0.5
    assert max(ceilings) == ceilings[-1] == 4.0
    assert all(b in (2 * a, 4.0) for a, b in pairwise(ceilings))
    assert backoff(40, Highest(), REFUSED_CAP_S) == 30.0
    rng = random.Random(1)
    waits = {backoff(20, rng) for _ in range(50)}
    assert len(waits) == 50 and all(2.0 <= wait <= 4.0 for wait in waits)
