"""The ranking page: places as ranges, shrunk estimates, trends freed from how customers came."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.store.list_rows import AgentCell
from emocx_pbx.web.shown.agents import BINS, Places, agents_view, letter_shares
from emocx_pbx.web.shown.intervals import Sums, change, mean_interval, together

NOW = 1_764_000_000.0
SINCE = NOW - 30 * 86_400


def cell(agent: str, arrived_as: str, at: int, number: int, mean: float, sd: float = 10.0) -> AgentCell:
    return AgentCell(
        agent, arrived_as, at, number, mean, number * (mean * mean + sd * sd * (number - 1) / number)
    )


def team() -> list[AgentCell]:
    """Ann is good, Bob is weak, Cid is new."""
    cells = []
    for b in range(BINS):
        cells += [cell("Ann", "angry", b, 20, 70), cell("Ann", "happy", b, 20, 80)]
        cells += [cell("Bob", "angry", b, 20, 40), cell("Bob", "happy", b, 20, 60)]
    return [*cells, cell("Cid", "angry", 7, 2, 95)]


def test_places_are_ranges_until_agents_can_be_told_apart() -> None:
    view = agents_view(team(), {}, SINCE, NOW)
    places = {row.agent: row.places for row in view.rows}
    # Three lucky calls do not put Cid before Ann, nor can he be told from her.
    assert places["Bob"] == "2 to 3" or places["Bob"] == "3"
    assert places["Cid"].startswith("1")
    assert view.distinguishable
    assert view.graded == 642


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_places_are_counted_among_the_others(ranges: list[tuple[int, int]]) -> None:
    places = Places.of(ranges)
    for own, (low, high) in enumerate(ranges):
        others = [r for i, r in enumerate(ranges) if i != own]
        better, worse = sum(r[0] > high for r in others), sum(r[1] < low for r in others)
        assert places.between(low, high) == (1 + better, len(ranges) - worse)


def test_few_calls_are_drawn_to_the_mean_and_have_the_wider_range() -> None:
    rows = {row.agent: row for row in agents_view(team(), {}, SINCE, NOW).rows}
    assert rows["Cid"].estimate.mean < 80
    assert rows["Cid"].estimate.high - rows["Cid"].estimate.low > 2 * (
        rows["Ann"].estimate.high - rows["Ann"].estimate.low
    )


def test_the_chosen_emotion_orders() -> None:
    swapped = [
        *team(),
        *(cell("Dee", "angry", b, 20, 85) for b in range(BINS)),
        *(cell("Dee", "happy", b, 20, 40) for b in range(BINS)),
    ]
    by_angry = agents_view(swapped, {}, SINCE, NOW, "angry").rows
    by_happy = agents_view(swapped, {}, SINCE, NOW, "happy").rows
    assert by_angry[0].agent == "Dee"
    assert by_happy[0].agent != "Dee"


def test_one_agent_alone_keeps_his_place_among_all() -> None:
    alone = agents_view(team(), {}, SINCE, NOW, None, "Bob")
    among = agents_view(team(), {}, SINCE, NOW)
    assert [row.agent for row in alone.rows] == ["Bob"]
    assert alone.rows[0].places == next(r.places for r in among.rows if r.agent == "Bob")


@pytest.mark.parametrize(
    ("means", "words"),
    [([40] * 4 + [70] * 4, "rising"), ([70] * 4 + [40] * 4, "falling"), ([55] * 8, "no clear change")],
)
def test_trends_are_said_with_their_range(means: list[float], words: str) -> None:
    cells = [cell("Ann", "angry", b, 20, m) for b, m in enumerate(means)]
    assert words in agents_view(cells, {}, SINCE, NOW).rows[0].trend_words


def test_a_change_of_customers_is_no_trend() -> None:
    """First happy customers, then angry ones, each faring as always with everybody."""
    cells = [
        cell(a, "happy" if b < 4 else "angry", b, 30, 75 if b < 4 else 45)
        for a in ("Ann", "Bob")
        for b in range(BINS)
    ]
    assert {row.trend_words for row in agents_view(cells, {}, SINCE, NOW).rows} == {"no clear change"}


def test_too_few_grades_give_no_mark_and_no_trend() -> None:
    row = agents_view([cell("Ann", "angry", 7, 3, 60)], {}, SINCE, NOW).rows[0]
    assert [p.mean for p in row.trend] == [None] * BINS
    assert row.trend_words == "too few grades to tell"


def test_an_agent_with_letters_but_no_score_is_listed() -> None:
    row = agents_view([], {"Ann": {"-": 4}}, SINCE, NOW).rows[0]
    assert (row.graded, row.insufficient, row.letters) == (0, 4, ())


def test_no_grades_at_all_give_an_empty_page() -> None:
    assert agents_view([], {}, SINCE, NOW).rows == ()


def test_letters_fill_the_bar() -> None:
    shares = letter_shares({"A": 3, "C": 1, "-": 9})
    assert [(s.letter, s.number, s.x, s.width) for s in shares] == [("A", 3, 0.0, 75.0), ("C", 1, 75.0, 25.0)]


def test_sums_add_up_as_their_values_would() -> None:
    a, b = [1.0, 5.0, 9.0], [4.0, 4.0, 10.0, 20.0]
    sums = [Sums.of(len(v), sum(v) / len(v), sum(x * x for x in v)) for v in (a, b)]
    both = together(sums)
    mean = sum(a + b) / 7
    assert math.isclose(both.mean, mean)
    assert math.isclose(both.around, sum((x - mean) ** 2 for x in a + b))


def test_intervals_need_some_values() -> None:
    assert mean_interval(Sums(3, 50.0, 10.0)) is None
    assert change(Sums(3, 50.0, 10.0), Sums(300, 50.0, 10.0)) is None
