"""Words and voice of one call meet by the time they were spoken, whichever comes first."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.analysis.call_words import CallWords, Worded, is_sampled
from emocx_pbx.domain import Emotion, Reading, Scores

ANGRY = Scores.of([0.9, 0.04, 0.03, 0.03], 0.4)
HAPPY = Scores.of([0.03, 0.04, 0.03, 0.9], 0.4)
CALM = Scores.of([0.2, 0.6, 0.15, 0.05], 0.4)


def reading(t0: float, t1: float, scores: Scores = CALM) -> Reading:
    return Reading(t0, t1, t1 - t0, scores, "voice/5")


def test_words_change_the_reading_of_their_time_alone() -> None:
    call = CallWords()
    for t0 in (0.0, 4.0, 8.0):
        assert call.by_voice(reading(t0, t0 + 4)).evidence == "voice"
    (revised,) = call.by_words(Worded(4.5, 7.5, ANGRY))
    assert (revised.t0, revised.t1, revised.evidence) == (4.0, 8.0, "both")
    assert revised.scores.probabilities[0] > CALM.probabilities[0]
    assert revised.voice == CALM.probabilities
    assert revised.words is not None and max(revised.words) == revised.words[0]


def test_a_reading_finds_words_that_came_before_it() -> None:
    first, second = CallWords(), CallWords()
    first.by_voice(reading(0, 4))
    (late,) = first.by_words(Worded(0.5, 3.0, ANGRY))
    assert second.by_words(Worded(0.5, 3.0, ANGRY)) == []
    assert second.by_voice(reading(0, 4)) == late


def test_a_long_phrase_counts_once() -> None:
    """What it says of three readings is no more than what it would say of one."""
    call = CallWords()
    for t0 in (0.0, 3.0, 6.0):
        call.by_voice(reading(t0, t0 + 3))
    long = call.by_words(Worded(0.0, 9.0, ANGRY))
    short = CallWords()
    short.by_voice(reading(0, 3))
    (whole,) = short.by_words(Worded(0.0, 3.0, ANGRY))
    assert len(long) == 3
    assert all(
        CALM.probabilities[0] < r.scores.probabilities[0] < whole.scores.probabilities[0] for r in long
    )


def test_several_phrases_say_no_more_than_one() -> None:
    call = CallWords()
    call.by_voice(reading(0, 4))
    call.by_words(Worded(0.0, 1.0, ANGRY))
    once = call.by_words(Worded(1.2, 2.0, ANGRY))
    again = call.by_words(Worded(2.2, 3.9, ANGRY))
    pairs = zip(again[0].scores.probabilities, once[0].scores.probabilities, strict=True)
    assert max(abs(a - b) for a, b in pairs) < 1e-9


def test_disagreement_lowers_confidence() -> None:
    call = CallWords()
    call.by_voice(reading(0, 4, HAPPY))
    (both,) = call.by_words(Worded(0, 4, ANGRY))
    assert both.scores.confidence < 0.6 < HAPPY.confidence


def test_without_a_voice_model_each_phrase_is_a_reading() -> None:
    (alone,) = CallWords(voiced=False).by_words(Worded(1.0, 3.0, ANGRY, "lstm/3"))
    assert (alone.evidence, alone.model, alone.scores.best) == ("words", "lstm/3", Emotion.ANGRY)
    assert alone.speech_s == 2.0


def test_each_third_phrase_is_sampled_after_the_first_two() -> None:
    assert [n for n in range(12) if is_sampled(n)] == [0, 1, 4, 7, 10]


stretches = st.lists(st.tuples(st.floats(0, 50), st.floats(0.5, 10)), min_size=1, max_size=12)


@given(stretches, stretches, st.randoms())
def test_the_order_of_arrival_does_not_matter(
    voiced: list[tuple[float, float]], said: list[tuple[float, float]], random: object
) -> None:
    items = [reading(t0, t0 + s) for t0, s in dict(voiced).items()]
    words = [Worded(t0, t0 + s, HAPPY if t0 > 20 else ANGRY) for t0, s in said]
    arrivals: list[Reading | Worded] = [*items, *words]
    shuffled = list(arrivals)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    def end(order: list[Reading | Worded]) -> dict[tuple[float, float], Reading]:
        call = CallWords()
        kept: dict[tuple[float, float], Reading] = {}
        for item in order:
            observed = [call.by_voice(item)] if isinstance(item, Reading) else call.by_words(item)
            kept |= {(r.t0, r.t1): r for r in observed}
        return kept

    one, other = end(arrivals), end(shuffled)
    assert one.keys() == other.keys()
    for times, found in one.items():
        assert replace(found, scores=other[times].scores, words=other[times].words) == other[times]
        pairs = zip(found.scores.probabilities, other[times].scores.probabilities, strict=True)
        assert max(abs(a - b) for a, b in pairs) < 1e-6
