from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import LABELS, UNCERTAIN, Emotion, Scores
from emocx_pbx.emotion.fusion import RULE, fuse, pooled_words

scores = st.builds(
    Scores.of,
    st.lists(st.floats(0.001, 1.0), min_size=4, max_size=4),
    st.floats(0.0, 0.9),
)


def sure(emotion: Emotion, p: float = 0.9) -> Scores:
    rest = (1 - p) / 3
    return Scores.of([p if label is emotion else rest for label in LABELS], 0.5)


@given(scores, scores)
def test_gives_probabilities(words: Scores, voice: Scores) -> None:
    fused = fuse(words, voice)
    assert fused is not None
    assert abs(sum(fused.probabilities) - 1) < 1e-9
    assert all(0 <= p <= 1 for p in fused.probabilities)
    assert fused.threshold == max(words.threshold, voice.threshold)


@given(scores, scores)
def test_without_a_share_words_change_nothing(words: Scores, voice: Scores) -> None:
    assert fuse(words, voice, 0.0) == voice
    little = fuse(words, voice, 1e-9)
    assert little is not None
    assert max(abs(a - b) for a, b in zip(little.probabilities, voice.probabilities, strict=True)) < 0.08


@given(scores, scores, st.sampled_from(range(4)), st.floats(1.01, 20.0))
def test_more_of_a_class_in_the_words_is_never_less_of_it_in_both(
    words: Scores, voice: Scores, k: int, factor: float
) -> None:
    """Without the doubt of disagreement, which is for all classes alike."""
    rule = replace(RULE, doubt=0.0)
    more = Scores.of([p * (factor if i == k else 1) for i, p in enumerate(words.probabilities)])
    before, after = fuse(words, voice, 1.0, rule), fuse(more, voice, 1.0, rule)
    assert before is not None and after is not None
    if before.best == after.best and words.best == more.best:
        assert after.probabilities[k] >= before.probabilities[k] - 0.08


@given(scores, scores)
def test_what_the_voice_said_plainly_is_kept(words: Scores, voice: Scores) -> None:
    plain = (0.1, 0.2, 0.3, 0.4)
    fused = fuse(words, replace(voice, plain=plain))
    assert fused is not None and fused.plain == plain


@given(st.lists(st.tuples(scores, st.floats(0.1, 5.0)), min_size=1, max_size=5))
def test_phrases_make_one_opinion(said: list[tuple[Scores, float]]) -> None:
    one = pooled_words(said)
    assert abs(sum(one.probabilities) - 1) < 1e-9
    again = pooled_words([(one, weight) for _, weight in said])
    assert max(abs(a - b) for a, b in zip(one.probabilities, again.probabilities, strict=True)) < 0.1


@given(scores)
def test_each_works_alone(only: Scores) -> None:
    assert fuse(only, None) == only
    assert fuse(None, only) == only
    assert fuse(None, None) is None


@given(scores, scores)
def test_disagreement_never_raises_confidence(words: Scores, voice: Scores) -> None:
    fused = fuse(words, voice)
    assert fused is not None
    if words.best != voice.best:
        assert fused.confidence <= max(words.confidence, voice.confidence) + 1e-9


@given(st.sampled_from(LABELS), st.sampled_from(LABELS), st.floats(0.4, 0.99))
def test_disagreement_lowers_confidence_and_agreement_does_not(a: Emotion, b: Emotion, p: float) -> None:
    fused = fuse(sure(a, p), sure(b, p))
    assert fused is not None
    if a is b:
        assert fused.best is a
        assert fused.confidence >= min(p, 0.94) - 1e-9
    else:
        assert fused.confidence < p


def test_open_contradiction_is_uncertain() -> None:
    fused = fuse(sure(Emotion.ANGRY), sure(Emotion.HAPPY))
    assert fused is not None
    assert fused.emotion == UNCERTAIN


def test_the_surer_side_leads() -> None:
    fused = fuse(sure(Emotion.ANGRY, 0.95), Scores.of([0.3, 0.4, 0.2, 0.1], 0.4))
    assert fused is not None
    assert fused.best is Emotion.ANGRY
