"""Algebra of small vectors and matrices: the quick ways give what the plain ones do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emocx_pbx.routing import linear

vectors = st.lists(st.floats(-100, 100), min_size=linear.SIZE, max_size=linear.SIZE)
matrices = st.lists(vectors, min_size=linear.SIZE, max_size=linear.SIZE)


@given(matrices, vectors)
def test_a_matrix_times_a_vector_is_each_row_times_it(matrix: linear.Matrix, vector: linear.Vector) -> None:
    wanted = [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]
    assert linear.times(matrix, vector) == pytest.approx(wanted, abs=1e-9)
    assert [linear.dot(row, vector) for row in matrix] == pytest.approx(wanted, abs=1e-9)


@given(st.lists(vectors, max_size=4))
def test_vectors_add_up(some: list[linear.Vector]) -> None:
    wanted = linear.zeros()
    for vector in some:
        linear.add(wanted, vector, 1.0)
    assert linear.total(some) == pytest.approx(wanted, abs=1e-9)


@given(
    st.lists(st.floats(0.01, 50), min_size=linear.SIZE, max_size=linear.SIZE),
    st.floats(-0.0019, 0.1),
)
def test_a_diagonal_matrix_and_a_number_everywhere_is_inverted_as_any_other(
    diagonal: linear.Vector, off: float
) -> None:
    whole = [
        [off + (value if i == j else 0.0) for j in range(linear.SIZE)] for i, value in enumerate(diagonal)
    ]
    wanted, found = linear.inverse(whole), linear.inverse_of_diagonal_and(off, diagonal)
    for row, other in zip(found, wanted, strict=True):
        assert row == pytest.approx(other, rel=1e-9, abs=1e-9)
