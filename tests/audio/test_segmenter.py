"""Hysteresis: frames to utterances."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.audio.segmenter import Hysteresis, Segmenter, State, Utterance

RULES = Hysteresis(start=3, stop=5, pad=2)


def run(pattern: str, rules: Hysteresis = RULES) -> tuple[list[int], list[Utterance]]:
    """Frames told as speech, and utterances, of a pattern of '#' (speech) and '.'."""
    segmenter = Segmenter(rules)
    steps = [segmenter.push(mark == "#") for mark in pattern]
    steps.append(segmenter.finish())
    observed = [frame for step in steps for frame in step.speech]
    return observed, [step.ended for step in steps if step.ended]


@pytest.mark.parametrize(
    ("pattern", "utterances"),
    [
        ("", []),
        ("..........", []),
        ("....##......#.#.#..", []),  # clicks
        (".....####..........", [Utterance(3, 10)]),  # padded on both sides
        ("####.......", [Utterance(0, 5)]),  # no padding before the beginning
        ("...####", [Utterance(1, 6)]),  # still speaking at the end
        ("...####....", [Utterance(1, 8)]),  # a silence too short to count, then the end
        ("...####....####.......", [Utterance(1, 16)]),  # one breath
        ("...####.....####......", [Utterance(1, 8), Utterance(10, 17)]),
        ("...###.....###......", [Utterance(1, 7), Utterance(9, 15)]),
        ("...####..#..........", [Utterance(1, 11)]),  # single frames prolong, though they don't begin
    ],
)
def test_utterances(pattern: str, utterances: list[Utterance]) -> None:
    assert run(pattern)[1] == utterances


def test_states() -> None:
    segmenter = Segmenter(RULES)
    seen = []
    for mark in "..###.#.....#":
        segmenter.push(mark == "#")
        seen.append(segmenter.state)
    q, a, s, o = State.QUIET, State.STARTING, State.SPEAKING, State.STOPPING
    assert seen == [q, q, a, a, s, o, s, o, o, o, o, q, a]


def test_speech_is_told_as_soon_as_it_is_sure() -> None:
    segmenter = Segmenter(RULES)
    observed = [list(segmenter.push(mark == "#").speech) for mark in "...####..#"]
    assert observed == [[], [], [], [], [], [1, 2, 3, 4, 5], [6], [], [], [7, 8, 9]]


@given(
    st.text("#.", max_size=300),
    st.builds(Hysteresis, start=st.integers(1, 6), stop=st.integers(1, 12), pad=st.integers(0, 8)),
)
def test_speech_told_is_exactly_the_utterances(pattern: str, rules: Hysteresis) -> None:
    observed, utterances = run(pattern, rules)
    assert observed == [frame for u in utterances for frame in range(u.first, u.last + 1)]
    assert observed == sorted(set(observed))
    assert all(0 <= frame < len(pattern) for frame in observed)
    for u in utterances:
        assert "#" * rules.start in pattern[u.first : u.last + 1]


@given(
    st.text("#.", max_size=200),
    st.builds(Hysteresis, start=st.integers(1, 6), stop=st.integers(1, 12), pad=st.integers(0, 8)),
)
def test_nothing_older_than_oldest_open_is_told(pattern: str, rules: Hysteresis) -> None:
    segmenter = Segmenter(rules)
    for mark in pattern:
        oldest = segmenter.oldest_open
        step = segmenter.push(mark == "#")
        assert all(frame >= oldest for frame in step.speech)
    oldest = segmenter.oldest_open
    assert all(frame >= oldest for frame in segmenter.finish().speech)
