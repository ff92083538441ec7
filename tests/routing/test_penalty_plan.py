"""Penalties are changed to what the ranking wants, and always put back to what the administrator wants."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.routing.penalties import Kept, Key, Member, agents_of, plan_penalties, settled

TIERS = 8
ADA, BOB = ("care", "PJSIP/1"), ("care", "PJSIP/2")
TIER_OF = {("care", "ada"): 0, ("care", "bob"): 3}


@dataclass
class Pbx:
    """Queues as app_queue holds them, a database, and a service that can die at any step."""

    penalties: dict[Key, int]
    kept: dict[Key, Kept] = field(default_factory=dict)
    observed: dict[Key, int] = field(default_factory=dict)

    def members(self) -> list[Member]:
        names = {"PJSIP/1": "ada", "PJSIP/2": "bob"}
        return [Member(q, i, names[i], penalty) for (q, i), penalty in self.penalties.items()]

    def run(self, tier_of: dict[tuple[str, str], int], *, dies_after: int | None = None) -> None:
        """One plan, carried out as the ranker does; killed after so many steps."""
        plan = plan_penalties(self.members(), self.kept, tier_of, self.observed, TIERS, {"care"})
        left = 1000 if dies_after is None else dies_after
        if left == 0:
            return
        self.kept |= {k.key: k for k in plan.remember}
        for key in plan.forget:
            self.kept.pop(key, None)
        self.observed.clear()
        for change in plan.remember:
            left -= 1
            if left == 0:
                return
            if change.applying is not None:
                self.penalties[change.key] = change.applying
        for change in plan.remember:
            if (after := settled(change)) is None:
                del self.kept[change.key]
            else:
                self.kept[change.key] = after


def test_members_get_their_tiers_and_their_own_penalties_back() -> None:
    pbx = Pbx({ADA: 0, BOB: 0})
    pbx.run(TIER_OF)
    assert pbx.penalties == {ADA: 0, BOB: 3}
    assert set(pbx.kept) == {BOB}, "what is as it was needs no memory"
    pbx.run({})
    assert pbx.penalties == {ADA: 0, BOB: 0}
    assert not pbx.kept


def test_own_penalties_stay_the_first_order() -> None:
    pbx = Pbx({ADA: 1, BOB: 0})
    pbx.run({("care", "ada"): 0, ("care", "bob"): TIERS - 1})
    assert pbx.penalties[BOB] < pbx.penalties[ADA]
    pbx.run({})
    assert pbx.penalties == {ADA: 1, BOB: 0}


def test_nothing_is_done_twice() -> None:
    pbx = Pbx({ADA: 0, BOB: 0})
    pbx.run(TIER_OF)
    again = plan_penalties(pbx.members(), pbx.kept, TIER_OF, {}, TIERS, {"care"})
    assert not (again.remember or again.forget or again.adopted)


def test_a_penalty_that_the_administrator_sets_meanwhile_is_his_own_from_then_on() -> None:
    pbx = Pbx({ADA: 0, BOB: 0})
    pbx.run(TIER_OF)
    pbx.penalties[BOB] = 1
    plan = plan_penalties(pbx.members(), pbx.kept, TIER_OF, {}, TIERS, {"care"})
    assert [k.key for k in plan.adopted] == [BOB]
    pbx.run(TIER_OF)
    assert pbx.penalties[BOB] == TIERS + 3
    pbx.run({})
    assert pbx.penalties == {ADA: 0, BOB: 1}


def test_a_penalty_that_was_overwritten_before_it_was_seen_is_not_lost() -> None:
    pbx = Pbx({ADA: 0, BOB: 0})
    pbx.run(TIER_OF)
    pbx.observed[BOB] = 2  # heard as an event; the queue's own state is ours already
    pbx.run({})
    assert pbx.penalties[BOB] == 2


def test_a_member_that_left_is_forgotten_but_not_one_of_a_queue_that_is_not_loaded() -> None:
    kept = {BOB: Kept(*BOB, 0, 3), ("old", "PJSIP/2"): Kept("old", "PJSIP/2", 0, 3)}
    plan = plan_penalties([], kept, {}, {}, TIERS, {"care"})
    assert plan.forget == (BOB,)


def test_an_agent_who_logs_in_again_has_the_penalty_given_then() -> None:
    pbx = Pbx({ADA: 0, BOB: 0})
    pbx.run(TIER_OF)
    pbx.penalties[BOB] = 0  # RemoveQueueMember, AddQueueMember
    pbx.run({})
    assert pbx.penalties[BOB] == 0 and not pbx.kept


def test_queues_nobody_ranks_are_left_alone() -> None:
    pbx = Pbx({("sales", "PJSIP/1"): 4})
    pbx.run(TIER_OF)
    assert pbx.penalties == {("sales", "PJSIP/1"): 4} and not pbx.kept


def test_an_agent_with_two_telephones_is_one_agent() -> None:
    members = [Member("care", f"PJSIP/{n}", "ada", 0) for n in (1, 2)]
    assert agents_of(members) == {"care": ["ada"]}
    plan = plan_penalties(members, {}, {("care", "ada"): 2}, {}, TIERS)
    assert [k.applying for k in plan.remember] == [2, 2]


tiers = st.fixed_dictionaries({("care", a): st.integers(0, TIERS - 1) for a in ("ada", "bob")})


@given(
    st.integers(0, 3),
    st.integers(0, 3),
    st.lists(st.tuples(tiers, st.one_of(st.none(), st.integers(0, 4))), max_size=5),
)
def test_whatever_step_it_is_killed_at_all_can_be_restored(
    ada: int, bob: int, runs: list[tuple[dict[tuple[str, str], int], int | None]]
) -> None:
    pbx = Pbx({ADA: ada, BOB: bob})
    for tier_of, dies_after in runs:
        pbx.run(tier_of, dies_after=dies_after)
    pbx.run({})
    assert pbx.penalties == {ADA: ada, BOB: bob}
    assert not pbx.kept
