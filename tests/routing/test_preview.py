"""A policy is tried on past queries beside the one in force."""

from __future__ import annotations

from emocx_pbx.domain import Decision
from emocx_pbx.routing.decision import QueueState
from emocx_pbx.routing.policy import parse_policy
from emocx_pbx.routing.preview import PastQuery, preview

ANGRY = {"angry": 0.8, "neutral": 0.1, "disappointed": 0.05, "happy": 0.05}
PAST = Decision("d1", 1000.0, "ok", "vip", "angry", 0.8, ANGRY, topic="billing")
OLD = parse_policy('[[rules]]\nname = "a"\nemotion = ["angry"]\nqueue = "vip"\n')


def test_only_what_would_be_done_otherwise_differs() -> None:
    renamed = parse_policy('[[rules]]\nname = "b"\nemotion = ["angry"]\nqueue = "vip"\n')
    first = parse_policy('[[rules]]\nname = "a"\nemotion = ["angry"]\nqueue = "vip"\npriority = 5\n')
    assert not preview([PastQuery(PAST)], OLD, renamed, {})[0].differs
    tried = preview([PastQuery(PAST)], OLD, first, {})[0]
    assert tried.differs and (tried.now.priority, tried.then.priority) == (None, 5)


def test_an_uncertain_query_stays_uncertain() -> None:
    past = Decision("d1", 1000.0, "default", "support", "uncertain", 0.5, {**ANGRY, "angry": 0.5})
    assert preview([PastQuery(past)], OLD, OLD, {})[0].now.queue == "support"


def test_a_monitored_query_is_decided_as_if_it_had_acted() -> None:
    past = Decision("d1", 1000.0, "monitor", "support", "angry", 0.8, ANGRY)
    assert preview([PastQuery(past)], OLD, OLD, {})[0].now.queue == "vip"


def test_customers_topics_and_queues_count() -> None:
    new = parse_policy(
        '[topics]\nbilling = ["a"]\nother = ["b"]\n'
        '[[rules]]\nname = "a"\ncustomer = ["gold-*"]\ntopic = ["billing"]\n'
        'min_available = 1\nqueue = "vip"\n'
    )
    there, away = {"vip": QueueState(0, 0.0, 1)}, {"vip": QueueState(0, 0.0, 0)}
    assert preview([PastQuery(PAST, "gold-1")], OLD, new, {"": there})[0].then.queue == "vip"
    assert preview([PastQuery(PAST, "gold-1")], OLD, new, {"": away})[0].then.queue == ""
    assert preview([PastQuery(PAST, "crm-1")], OLD, new, {"": there})[0].then.queue == ""


def test_queries_without_analysis_are_left_out() -> None:
    past = [Decision("d", 1.0, status, "q", "uncertain", 0.0, None) for status in ("optout", "timeout")]
    assert not preview([PastQuery(decision) for decision in past], OLD, OLD, {})


def test_each_query_is_decided_as_on_its_own_pbx() -> None:
    new = parse_policy(
        '[[rules]]\nname = "berlin"\npbx = "berlin"\nemotion = ["angry"]\nqueue = "care"\n'
        '[[rules]]\nname = "all"\nemotion = ["angry"]\nmin_available = 1\nqueue = "vip"\n'
    )
    someone, nobody = QueueState(0, 0.0, 1), QueueState(0, 0.0, 0)
    queues = {
        "berlin": {"care": someone, "vip": someone}, "vienna": {"vip": someone}, "hamburg": {"vip": nobody},
        "bremen": {"sales": someone},
    }  # fmt: skip
    past = [PastQuery(PAST, None, pbx) for pbx in queues]
    assert [tried.then.queue for tried in preview(past, OLD, new, queues)] == ["care", "vip", "", ""]
