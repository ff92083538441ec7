"""The head beside the text model: shapes, calibration, and what happens where its package is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emocx_pbx.emotion.meaning import SIZE, parts
from emocx_pbx.emotion.second_voice import HEAD, Head, Upset, plan_of, read_head
from emocx_pbx.emotion.text import scores_of
from emocx_pbx.emotion.text_clean import written
from emocx_pbx.errors import ModelError

RECIPE = {
    "languages": ["de"], "share": 0.4, "temperature": 1.0, "threshold": 0.5, "threshold_alone": 0.5,
    "upset": [1.2, 0.3], "upset_alone": [1.0, 0.0],
}  # fmt: skip


def head(units: int = 3) -> Head:
    rng = np.random.default_rng(0)
    return Head(
        rng.normal(size=(SIZE, units)).astype(np.float32), np.zeros(units, np.float32),
        rng.normal(size=(units, 4)).astype(np.float32), np.zeros(4, np.float32),
    )  # fmt: skip


def test_written_and_read_again_it_says_the_same(tmp_path: Path) -> None:
    one = head()
    one.write(tmp_path)
    vectors = np.random.default_rng(1).normal(size=(5, SIZE)).astype(np.float32)
    np.testing.assert_array_equal(read_head(tmp_path).logits(vectors), one.logits(vectors))


def test_a_head_of_another_shape_is_refused(tmp_path: Path) -> None:
    Head(np.zeros((7, 3), np.float32), np.zeros(3, np.float32), np.zeros((3, 4), np.float32),
         np.zeros(4, np.float32)).write(tmp_path)  # fmt: skip
    with pytest.raises(ModelError, match="no usable head"):
        read_head(tmp_path)
    (tmp_path / HEAD).write_bytes(b"nonsense")
    with pytest.raises(ModelError, match="no usable head"):
        read_head(tmp_path)


@settings(deadline=None)
@given(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), st.floats(0.2, 3), st.floats(-3, 3))
def test_calibration_moves_upset_alone(values: list[float], slope: float, offset: float) -> None:
    p = [v / sum(values) for v in values]
    q = Upset(slope, offset).calibrated(p)
    assert sum(q) == pytest.approx(1, abs=1e-3) and all(0 <= v <= 1 for v in q)
    assert q[0] * p[2] == pytest.approx(q[2] * p[0], abs=1e-6)
    assert q[1] * p[3] == pytest.approx(q[3] * p[1], abs=1e-6)


def test_nothing_to_calibrate_changes_nothing() -> None:
    assert Upset().calibrated((0.4, 0.3, 0.2, 0.1)) == pytest.approx((0.4, 0.3, 0.2, 0.1))


@pytest.mark.parametrize(
    "wrong", [{"share": 2}, {"temperature": 0}, {"upset": [0, 1]}, {"upset": "no"}, {"languages": None}]
)
def test_a_wrong_recipe_is_refused(wrong: dict[str, object]) -> None:
    assert plan_of({}) is None
    assert plan_of({"head": RECIPE}) is not None
    with pytest.raises(ModelError):
        plan_of({"head": RECIPE | wrong})


def test_a_long_text_is_read_in_two_parts() -> None:
    begin, end = parts("one two three four five " * 500)
    assert len(begin) <= 400 and len(end) <= 400
    assert begin.startswith("one two") and end.endswith(" ")
    assert parts("short") == ["short"]
    assert [len(p) for p in parts("x" * 5000)] == [400, 400]


def test_links_names_and_capitals_mean_nothing() -> None:
    assert written("@AcmeAir WHERE IS MY BAG https://t.co/abc") == "where is my bag"
    assert written("Ask <link> about [NAME]") == "Ask about"


@pytest.mark.parametrize(
    ("probabilities", "said"),
    [
        ((0.60, 0.10, 0.25, 0.05), "angry"),
        ((0.55, 0.10, 0.30, 0.05), "uncertain"),
        ((0.10, 0.10, 0.75, 0.05), "disappointed"),
        ((0.20, 0.55, 0.20, 0.05), "neutral"),
        ((0.05, 0.05, 0.05, 0.85), "happy"),
    ],
)
def test_one_kind_of_upset_is_said_only_where_it_is_sure(probabilities: tuple[float, ...], said: str) -> None:
    assert scores_of(probabilities, 0.5).emotion == said
