"""The ranking: cautious with few calls, open to new agents, and protective of people."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from emocx_pbx.routing.ranking import HARD, RankingPlan, RankingSample, rank
from emocx_pbx.routing.tiers import Load, loads, over_cap, placings, surely, tiers, under_floor

PLAN = RankingPlan()
NOW = 1e9
DAY = 86400.0


def calls(
    agent: str, score: float, number: int, emotion: str = HARD, age_s: float = 0.0
) -> list[RankingSample]:
    return [RankingSample(agent, emotion, score, NOW - age_s)] * number


def test_few_calls_pull_towards_the_mean() -> None:
    everybody = calls("others", 50, 200)
    means = [rank(everybody + calls("a", 90, n), NOW).estimate("a", HARD).mean for n in (0, 1, 5, 50)]
    assert means == sorted(means)
    assert means[1] < 62 and means[3] > 78
    assert abs(means[0] - 50) < 1


def test_doubt_shrinks_with_calls() -> None:
    sds = [rank(calls("a", 60, n), NOW).estimate("a", HARD).sd for n in (0, 1, 10, 100)]
    assert sds == sorted(sds, reverse=True)
    assert abs(sds[0] - (PLAN.agent_sd**2 + PLAN.pair_sd**2) ** 0.5) < 1e-9


def test_skill_with_one_emotion_is_told_from_skill_with_all() -> None:
    outcomes = (
        calls("a", 80, 40) + calls("a", 50, 40, "happy") + calls("b", 50, 40) + calls("b", 80, 40, "happy")
    )
    ranking = rank(outcomes, NOW)
    assert ranking.estimate("a", HARD).mean > ranking.estimate("b", HARD).mean + 10
    assert ranking.estimate("a", "happy").mean < ranking.estimate("b", "happy").mean - 10
    both = [sum(ranking.estimate(a, e).mean for e in (HARD, "happy")) for a in "ab"]
    assert abs(both[0] - both[1]) < 1e-6


def test_an_emotion_never_seen_borrows_from_the_agent() -> None:
    ranking = rank(calls("a", 80, 40) + calls("b", 40, 40), NOW)
    assert ranking.estimate("a", "happy").mean > ranking.estimate("b", "happy").mean


def test_recent_calls_weigh_more() -> None:
    older, newer = 10 * 60 * DAY, 0.0
    improving = rank(calls("a", 30, 20, age_s=older) + calls("a", 80, 20, age_s=newer), NOW)
    worsening = rank(calls("a", 80, 20, age_s=older) + calls("a", 30, 20, age_s=newer), NOW)
    assert improving.estimate("a", HARD).mean > worsening.estimate("a", HARD).mean + 20
    assert improving.estimate("a", HARD).calls < 21


def test_the_estimates_find_true_skills() -> None:
    rng = random.Random(7)
    skill = {f"a{i}": rng.gauss(0, 6) for i in range(20)}
    outcomes = [
        RankingSample(agent, HARD, 50 + skill[agent] + rng.gauss(0, 15), NOW)
        for agent in skill
        for _ in range(100)
    ]
    ranking = rank(outcomes, NOW)
    errors = [abs(ranking.estimate(a, HARD).mean - 50 - s) for a, s in skill.items()]
    assert sum(errors) / len(errors) < 2.0


def test_new_agents_are_tried() -> None:
    veterans = [o for agent in "abcdef" for o in calls(agent, 60, 100)]
    found = tiers(rank(veterans, NOW), HARD, [*"abcdef", "new"])
    assert found["new"] == 0
    bad = veterans + calls("new", 20, 15)
    assert tiers(rank(bad, NOW), HARD, [*"abcdef", "new"])["new"] == 1


def test_equals_share_a_tier() -> None:
    ranking = rank(calls("a", 60, 100) + calls("b", 61, 100) + calls("c", 40, 100), NOW)
    found = tiers(ranking, HARD, ["a", "b", "c"])
    assert found == {"a": 0, "b": 0, "c": 1}


def test_an_agent_who_has_had_enough_anger_is_protected() -> None:
    ranking = rank(calls("good", 90, 100) + calls("b", 50, 100) + calls("c", 50, 100), NOW)
    load = {"good": Load(10, 9), "b": Load(10, 1), "c": Load(10, 1)}
    agents = ["good", "b", "c"]
    assert tiers(ranking, HARD, agents)["good"] == 0
    assert tiers(ranking, HARD, agents, load)["good"] == PLAN.tiers - 1
    assert tiers(ranking, "happy", agents, load)["good"] == 0


def test_one_angry_caller_of_five_moves_nobody() -> None:
    ranking = rank(calls("best", 90, 100) + calls("b", 50, 100) + calls("c", 50, 100), NOW)
    load = {"best": Load(5, 1), "b": Load(5, 0), "c": Load(2, 0)}
    assert tiers(ranking, HARD, list(load), load)["best"] == 0


@pytest.mark.parametrize(
    ("own", "others", "protected"),
    [
        (Load(5, 1), Load(7, 0), False),
        (Load(5, 2), Load(20, 0), False),  # too few to speak of
        (Load(5, 3), Load(40, 4), True),
        (Load(10, 4), Load(30, 2), False),  # over the cap, but it may well be chance
        (Load(10, 6), Load(30, 2), True),
        (Load(100, 40), Load(300, 25), True),
        (Load(100, 30), Load(300, 30), False),  # exactly twice everybody's
    ],
)
def test_the_cap_asks_for_enough_angry_calls_and_for_certainty(
    own: Load, others: Load, protected: bool
) -> None:
    found = over_cap({"a": own, "b": others}, ["a", "b"], PLAN)
    assert found == (frozenset("a") if protected else frozenset())


@given(st.integers(1, 200), st.data())
def test_what_a_count_speaks_for_is_under_its_share_and_grows_with_the_count(
    of: int, data: st.DataObject
) -> None:
    hits = data.draw(st.integers(0, of))
    low = surely(hits, of, 1.0)
    assert -1e-12 <= low <= hits / of + 1e-12
    assert low <= surely(10 * hits, 10 * of, 1.0) + 1e-12
    assert low <= surely(hits, of, 0.5) + 1e-12


def test_every_place_tells_its_reason() -> None:
    ranking = rank(calls("good", 90, 100) + calls("b", 50, 100) + calls("c", 50, 100), NOW)
    load = {"good": Load(10, 9), "b": Load(30, 1), "c": Load(2, 0)}
    angry, happy = (placings(ranking, emotion, list(load), load) for emotion in (HARD, "happy"))
    assert angry["good"].why == (
        "protected: 9 of 10 callers within 8 h were angry, surely over 2 times everybody's 10 of 42"
    )
    assert "points behind the best" in angry["b"].why
    assert happy["good"].why == "the best for these callers"
    assert happy["c"].why == "catching up: 2 calls within 8 h, under 0.5 times an equal share of 14.0"
    assert placings(ranking, HARD, ["b", "c"])["c"].why == "the best for these callers"


def test_an_agent_without_calls_gets_some_but_no_angry_ones() -> None:
    ranking = rank(calls("a", 80, 100) + calls("weak", 30, 100), NOW)
    load = {"a": Load(40, 4), "weak": Load(2, 0)}
    assert tiers(ranking, "happy", ["a", "weak"], load)["weak"] == 0
    assert tiers(ranking, HARD, ["a", "weak"], load)["weak"] == 1


def test_one_outcome_may_stand_for_several() -> None:
    several = [RankingSample("a", HARD, 80, NOW, calls=40), *calls("b", 50, 40)]
    one, each = rank(several, NOW), rank([*calls("a", 80, 40), *calls("b", 50, 40)], NOW)
    for got, wanted in ((one.estimate(a, HARD), each.estimate(a, HARD)) for a in "ab"):
        assert abs(got.mean - wanted.mean) < 1e-9 and abs(got.sd - wanted.sd) < 1e-9


def test_what_was_heard_alone_is_a_signal_that_is_sure() -> None:
    """The quick way for outcomes without signals, and the way for any, are one."""
    sure = {"angry": (1.0, 0.0, 0.0, 0.0), "happy": (0.0, 0.0, 0.0, 1.0)}
    heard = [
        RankingSample(agent, emotion, score, NOW - age * DAY, calls)
        for agent, emotion, score, age, calls in (
            ("a", "angry", 40, 0, 3.0), ("a", "happy", 80, 90, 1.0), ("b", "happy", 60, 5, 7.0),
            ("b", "angry", 70, 30, 2.0), ("c", "happy", 20, -1, 4.0),
        )
    ]  # fmt: skip
    alone = rank(heard, NOW)
    for known in (slice(None), slice(0, 2), slice(3, 4)):
        signals = [structs.replace(o, signals=sure[o.emotion]) for o in heard[known]]
        others = [o for o in heard if o not in heard[known]]
        ranking = rank([*others, *signals], NOW)
        for agent in ("a", "b", "c", "new"):
            for emotion in ("angry", "happy", "neutral"):
                one, two = ranking.estimate(agent, emotion), alone.estimate(agent, emotion)
                assert (one.mean, one.sd, one.calls) == pytest.approx((two.mean, two.sd, two.calls), abs=1e-9)
            assert ranking.overall(agent).mean == pytest.approx(alone.overall(agent).mean, abs=1e-9)


def test_agents_are_told_apart_by_what_their_callers_turned_out_to_be() -> None:
    """All were heard as angry; with A the angry ones fared well, with B the happy ones among them."""
    angry, happy = (1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 1.0)
    found = []
    for share in (0.9, 0.1):
        outcomes = [
            RankingSample(agent, HARD, score, NOW, signals=really)
            for agent, scores in (("a", (80, 50)), ("b", (50, 80)))
            for score, really, part in zip(scores, (angry, happy), (share, 1 - share), strict=True)
            for _ in range(round(100 * part))
        ]
        ranking = rank(outcomes, NOW)
        found.append(ranking.estimate("a", HARD).mean - ranking.estimate("b", HARD).mean)
    assert found[0] > 10 and found[1] < -10


def test_what_nobody_can_name_counts_as_uncertain() -> None:
    ranking = rank([*calls("a", 80, 40, "none"), *calls("b", 50, 40, "none")], NOW)
    assert ranking.estimate("a", "uncertain") == ranking.estimate("a", "none")
    assert ranking.estimate("a", "none").mean > ranking.estimate("b", "none").mean + 20
    assert abs(ranking.level - 65) < 2 and abs(ranking.level_of("none") - 65) < 2
    assert abs(ranking.overall("a").mean - ranking.estimate("a", "none").mean) < 1e-9


def test_loads_look_back_one_window() -> None:
    heard = [
        ("a", HARD, NOW),
        ("a", "happy", NOW - 60),
        ("a", HARD, NOW - PLAN.load_window_s),
        ("b", HARD, NOW + 1),
    ]
    assert loads(heard, NOW, PLAN) == {"a": Load(2, 1)}


def test_without_outcomes_nobody_is_ranked() -> None:
    assert tiers(rank([], NOW), HARD, []) == {}
    assert tiers(rank([], NOW), HARD, ["a"]) == {"a": 0}
    assert rank([], NOW).estimate("a", HARD).mean == 50


names = st.sampled_from("abcde")
outcomes = st.lists(
    st.builds(
        RankingSample,
        agent=names,
        emotion=st.sampled_from(["angry", "neutral", "happy"]),
        score=st.floats(0, 100),
        at=st.floats(NOW - 400 * DAY, NOW),
    ),
    max_size=40,
)
some_load = st.dictionaries(
    names, st.tuples(st.integers(0, 50), st.floats(0, 1)).map(lambda x: Load(x[0], int(x[0] * x[1])))
)


@given(outcomes, st.randoms(use_true_random=False))
def test_the_order_of_calls_does_not_matter(given_outcomes: list[RankingSample], rng: random.Random) -> None:
    mixed = given_outcomes[:]
    rng.shuffle(mixed)
    one, two = rank(given_outcomes, NOW), rank(mixed, NOW)
    for agent in "abcde":
        assert abs(one.estimate(agent, HARD).mean - two.estimate(agent, HARD).mean) < 1e-6


@given(outcomes, st.integers(0, 39), st.floats(0, 100))
def test_a_better_grade_never_lowers_its_agent(
    given_outcomes: list[RankingSample], which: int, better: float
) -> None:
    if which >= len(given_outcomes):
        return
    chosen = given_outcomes[which]
    raised = structs.replace(chosen, score=max(chosen.score, better))
    after = [raised if i == which else o for i, o in enumerate(given_outcomes)]
    others = {o.agent for o in given_outcomes} - {chosen.agent}
    one, two = rank(given_outcomes, NOW), rank(after, NOW)
    for other in others:
        # The mean of all may rise, and with it everybody; compared with others he gains.
        gain = (
            two.estimate(chosen.agent, chosen.emotion).mean - one.estimate(chosen.agent, chosen.emotion).mean
        )
        theirs = two.estimate(other, chosen.emotion).mean - one.estimate(other, chosen.emotion).mean
        assert gain >= theirs - 1e-6


@given(outcomes, some_load)
def test_tiers_are_whole_and_somebody_rings_first(
    given_outcomes: list[RankingSample], load: dict[str, Load]
) -> None:
    ranking = rank(given_outcomes, NOW)
    for emotion in ("angry", "neutral"):
        found = tiers(ranking, emotion, list("abcde"), load)
        assert set(found) == set("abcde")
        assert all(0 <= tier < PLAN.tiers for tier in found.values())
    assert 0 in tiers(ranking, "neutral", list("abcde"), load).values()


@given(some_load)
def test_the_cap_never_takes_everybody(load: dict[str, Load]) -> None:
    agents = list("abcde")
    assert len(over_cap(load, agents, PLAN)) < len(agents)
    assert len(over_cap(load, agents, replace(PLAN, hard_cap=0.1))) < len(agents)
    assert len(under_floor(load, agents, PLAN)) < len(agents)


@given(outcomes)
def test_estimates_stay_on_the_scale(given_outcomes: list[RankingSample]) -> None:
    ranking = rank(given_outcomes, NOW)
    for agent in "abcde":
        estimate = ranking.estimate(agent, HARD)
        assert 0 < estimate.sd <= 8.5
        assert -60 <= estimate.mean <= 160
