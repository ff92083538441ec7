"""Rules for one PBX, or for all: which fire where, and what is said of names that there are not."""

from __future__ import annotations

import pytest

from emocx_pbx.domain import Decision
from emocx_pbx.errors import SettingsError
from emocx_pbx.routing.decision import QueryFacts, QueueState, decide, explain
from emocx_pbx.routing.penalties import queue_emotions
from emocx_pbx.routing.policy import Policy, parse_policy, policy_on, unknown_pbxes

TEXT = """
default_queue = "support"
[[rules]]
name = "berlin"
pbx = "berlin"
queue = "care"
[[rules]]
name = "two"
pbx = ["vienna", "hamburg"]
emotion = ["angry"]
queue = "kasse"
[[rules]]
name = "all"
queue = "vip"
"""
POLICY = parse_policy(TEXT)
FREE = QueueState(0, 0.0, 1)


def decided(pbx: str, *queues: str, policy: Policy = POLICY) -> Decision:
    known = {name: FREE for name in queues}
    return decide(QueryFacts(None, pbx=pbx), policy, decision_id="d", at=1.0, queues=known)


def test_a_rule_fires_on_its_own_pbx() -> None:
    assert decided("berlin").rule == "berlin"
    assert decided("vienna").rule == "all"
    assert decided("").rule == "all"


def test_a_queue_that_only_others_have_is_not_sent_to() -> None:
    decision = decided("vienna", "support", "kasse")
    assert (decision.rule, decision.queue) == (None, "support")
    assert decided("vienna", "vip").queue == "vip"
    assert decided("vienna").queue == "vip"  # its queues are not known: the dialplan looks itself


def test_on_the_pbx_without_a_name_all_is_as_it_was() -> None:
    assert decided("", "support").queue == "vip"


def test_the_reason_why_a_rule_did_not_fire_is_given() -> None:
    known = {"support": FREE}
    outcomes = explain(QueryFacts(None, pbx="paris"), POLICY, at=1.0, queues=known)
    assert outcomes[0].why_not == ("the PBX is paris, not berlin",)
    assert outcomes[1].why_not[-1] == "the PBX is paris, not vienna or hamburg"
    assert outcomes[2].why_not == ("the PBX paris has no queue vip",)


def test_queues_are_ranked_where_their_rules_hold() -> None:
    assert queue_emotions(policy_on(POLICY, "vienna")) == {"kasse": "angry"}
    assert queue_emotions(policy_on(POLICY, "berlin")) == {}


def test_a_rule_for_one_pbx_is_not_for_everyone() -> None:
    assert [rule.unconditional for rule in POLICY.rules] == [False, False, True]


def test_names_that_there_are_not_are_named() -> None:
    assert unknown_pbxes(POLICY, ["berlin", "vienna", "hamburg"]) == []
    (said,) = unknown_pbxes(POLICY, ["berlin", "vienna", "hamburk"])
    assert said == "rule \"two\": no PBX of the settings is called 'hamburg'; did you mean hamburk?"


def test_the_pbx_without_a_name_can_be_meant() -> None:
    policy = parse_policy('[[rules]]\nname = "a"\npbx = ""\nqueue = "care"\n')
    assert [decided(pbx, policy=policy).queue for pbx in ("", "berlin")] == ["care", ""]
    with pytest.raises(SettingsError, match="pbx: expected a string or a list"):
        parse_policy('[[rules]]\nname = "a"\npbx = 3\n')
