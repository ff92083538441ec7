"""Policies are read, refused with place and expectation, and held against the PBX's queues."""

from __future__ import annotations

from pathlib import Path

import pytest

from emocx_pbx.errors import SettingsError
from emocx_pbx.routing.policy import (
    Policy,
    Rule,
    built_in_policy,
    load_policy,
    minutes,
    parse_policy,
    policy_digest,
    validate,
)

GOOD = """
default_queue = "support"
timezone = "Europe/Berlin"

[topics]
billing = ["my invoice is wrong"]
delivery = ["where is my parcel"]

[[rules]]
name = "angry about money"
emotion = ["angry"]
min_confidence = 0.6
topic = ["billing"]
customer = ["vip-*"]
attributes = { plan = ["gold", "silver"] }
days = ["mon", "fri"]
hours = ["08:00-18:00", "22:00-06:00"]
max_waiting = 5
queue = "retention"
priority = 10
tier = 1
announcement = "emocx/senior"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    return path


def test_a_full_policy(tmp_path: Path) -> None:
    policy = load_policy(write(tmp_path, GOOD))
    (rule,) = policy.rules
    assert rule.attributes == {"plan": ("gold", "silver")}
    assert rule.highest_penalty == 1
    assert policy.queues() == ("retention", "support")
    assert policy.topics["billing"] == ("my invoice is wrong",)


def test_the_built_in_policy_names_no_queue() -> None:
    policy = built_in_policy()
    assert policy.rules and policy.queues() == ()
    assert load_policy(None) == policy
    assert built_in_policy("sales").default_queue == "sales"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('["angry"]', '["furious"]', "rules[0].emotion: expected a list, each item one of"),
        ('["angry"]', '["angry"]\nlanguage = ["German"]', "rules[0].language: expected one of ar, bg"),
        ('["angry"]', '"angry"', "rules[0].emotion: expected a list, each item one of"),
        ("min_confidence = 0.6", "min_confidence = 60", "rules[0].min_confidence: expected a number from 0"),
        ('topic = ["billing"]', 'topic = ["biling"]', "rules[0].topic: 'biling' is not in [topics]; did you"),
        ("08:00-18:00", "8-18", "rules[0].hours: expected times like"),
        ("tier = 1", "tier = 1\nmax_penalty = 2", "rules[0].tier: expected either tier or max_penalty"),
        ("tier = 1", "tier = 1\nmin_penalty = 2", "rules[0].min_penalty: expected at most 1"),
        ("priority = 10", "prio = 10", "rules[0].prio: unknown setting; did you mean priority?"),
        ('"retention"', '"a,b"', "rules[0].queue: expected a string that matches"),
        ('"retention"', '"${EVIL}"', "rules[0].queue: expected a string that matches"),
        ('"retention"', '"a\\nb"', "rules[0].queue: expected a string that matches"),
        ('"angry about money"', '" "', "rules[0].name: expected a unique name"),
        ("Europe/Berlin", "Europe/Berlim", "timezone: 'Europe/Berlim' is not known"),
        ("Europe/Berlin", "../etc", "timezone: '../etc' is not known"),
        ('delivery = ["where is my parcel"]', "", "topics: expected at least two"),
        ('["where is my parcel"]', "[]", "topics.delivery: expected example sentences"),
    ],
)  # fmt: skip
def test_wrong_policies(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert old in GOOD
    with pytest.raises(SettingsError) as caught:
        load_policy(write(tmp_path, GOOD.replace(old, new)))
    assert str(caught.value).startswith(f"policy.toml: {message}")


def test_names_are_unique(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"rules\[1\].name: expected a unique name"):
        load_policy(write(tmp_path, "[[rules]]\nname='a'\n[[rules]]\nname='a'\n"))


def test_unknown_queues_are_named_with_the_nearest() -> None:
    policy = Policy(rules=(Rule(name="a", queue="suport"),), default_queue="zzz")
    assert validate(policy, ["support", "vip"]) == [
        'rule "a": the PBX has no queue suport; did you mean support?',
        "default_queue: the PBX has no queue zzz; known: support, vip",
    ]
    assert validate(policy, ["suport", "zzz"]) == []


def test_unreachable_rules_are_named() -> None:
    policy = Policy(rules=(Rule(name="all", priority=1), Rule(name="late", emotion=("angry",))))
    assert validate(policy, []) == ['rule "late" can never fire: "all" before it has no condition']


@pytest.mark.parametrize("text", ["25:00-26:00", "08:60-09:00", "8:00-9:00", "08:00", "08:00-24:01", ""])
def test_wrong_hours(text: str) -> None:
    with pytest.raises(ValueError):
        minutes(text)


def test_hours() -> None:
    assert minutes("08:30-24:00") == (510, 1440)


def test_the_digest_is_of_what_a_policy_says() -> None:
    one = parse_policy('default_queue = "support"\ntimezone = "Europe/Berlin"')
    same = parse_policy('# ours\ntimezone = "Europe/Berlin"\n\ndefault_queue = "support"')
    other = parse_policy('default_queue = "support"\ntimezone = "Europe/Vienna"')
    assert policy_digest(one) == policy_digest(same) != policy_digest(other)
