"""Drawings: what they say in words, what has room in them, and that nothing of a text becomes markup."""

from __future__ import annotations

from xml.etree import ElementTree

from markupsafe import Markup

from emocx_pbx.web.shown import drawings
from emocx_pbx.web.shown.agents import LetterShare, TrendPoint, letter_shares
from emocx_pbx.web.shown.intervals import interval
from emocx_pbx.web.shown.queues import STATES, EmotionShare, shares
from emocx_pbx.web.shown.scale import Scale


def drawn(svg: Markup) -> ElementTree.Element:
    """The drawing's elements; fails if it is not well-formed."""
    return ElementTree.fromstring(str(svg))


def texts(svg: Markup, tag: str) -> list[str]:
    return [element.text or "" for element in drawn(svg).iter(tag)]


def test_an_interval_has_its_mean_and_its_ends_on_the_scale() -> None:
    svg = drawn(drawings.interval(interval(50.0, 40.0, 70.0, 9.0, Scale(0.0, 100.0))))
    bar, dot = svg.find("rect"), svg.find("circle")
    assert bar is not None and dot is not None
    assert (bar.get("x"), bar.get("width"), dot.get("cx")) == ("40.0%", "30.0%", "50.0%")
    assert [line.get("class") for line in svg.iter("line")] == ["grid"]


def test_an_interval_may_have_a_middle_line() -> None:
    svg = drawn(drawings.interval(interval(50.0, 40.0, 70.0, 9.0, Scale(0.0, 100.0)), 50))
    assert [line.get("x1") for line in svg.iter("line") if line.get("class") == "zero"] == ["50%"]


def test_letters_are_said_and_those_with_room_are_written() -> None:
    svg = drawings.letters(letter_shares({"A": 60, "B": 37, "E": 3}))
    assert drawn(svg).get("aria-label") == "A: 60, B: 37, E: 3"
    assert texts(svg, "title") == ["A: 60", "B: 37", "E: 3"]
    assert texts(svg, "text") == ["A", "B"]


def test_emotions_have_a_sign_and_a_number_as_far_as_there_is_room() -> None:
    svg = drawings.emotions(shares([("angry", 80), ("happy", 14), ("none", 6), ("neutral", 1)]), "Arrived")
    assert texts(svg, "text") == ["▲ 80", "● 14", "·"]
    assert texts(svg, "title")[0] == "Angry: 80"
    assert (drawn(svg).get("aria-label") or "").startswith("Arrived: Angry 80, ")


def test_every_state_has_its_key() -> None:
    legend = drawn(drawings.emotion_legend())
    assert len(list(legend.iter("svg"))) == len(STATES)


def test_a_trend_has_no_mark_where_there_are_too_few_grades() -> None:
    some = TrendPoint(6.25, 0.0, 1.0, 60.0, 55.0, 65.0, 20, 40.0, 35.0, 10.0)
    none = TrendPoint(18.75, 1.0, 2.0, None, None, None, 3, 0.0, 0.0, 0.0)
    for height, radius in ((32, "2.5"), (90, "3.5")):
        svg = drawn(drawings.trend((some, none), height))
        assert [(c.get("cx"), c.get("cy"), c.get("r")) for c in svg.iter("circle")] == [
            ("6.25%", "40.0%", radius)
        ]
        assert len(svg.findall("rect")) == 1


def test_no_text_becomes_markup() -> None:
    odd = '"><script>'
    for svg in (
        drawings.letters((LetterShare(odd, 1, 0.0, 100.0),)),
        drawings.emotions((EmotionShare("angry", 1, 0.0, 100.0),), odd),
    ):
        assert "<script>" not in svg
        assert odd in (drawn(svg).get("aria-label") or "")
