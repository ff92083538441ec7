from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.domain import LABELS, UNCERTAIN, Emotion, Scores
from emocx_pbx.emotion.fusion import fuse

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
def test_order_does_not_matter(words: Scores, voice: Scores) -> None:
    one, other = fuse(words, voice), fuse(voice, words)
    assert one is not None and other is not None
    assert max(abs(a - b) for a, b in zip(one.probabilities, other.probabilities, strict=True)) < 1e-12


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
