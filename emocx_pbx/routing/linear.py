"""Algebra of a handful of numbers: vectors and square matrices of one size, without numpy's start-up.

The controller loads no numpy; an agent's effects on five kinds of callers need no more than this.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import mul, sub
from typing import Final

Vector = list[float]
Matrix = list[Vector]

#: One entry for each of ranking.EMOTIONS.
SIZE: Final = 5


def zeros() -> Vector:
    """A vector of zeros."""
    return [0.0] * SIZE


def square() -> Matrix:
    """A matrix of zeros."""
    return [zeros() for _ in range(SIZE)]


def dot(a: Vector, b: Vector) -> float:
    """Inner product."""
    total: float = sum(map(mul, a, b))
    return total


def times(matrix: Matrix, vector: Vector) -> Vector:
    """Matrix times vector."""
    a, b, c, d, e = vector
    # Written out, which takes a third of the time: a ranking does it for every agent again and again.
    return [p * a + q * b + r * c + s * d + t * e for p, q, r, s, t in matrix]


def minus(a: Vector, b: Vector) -> Vector:
    """Difference."""
    return list(map(sub, a, b))


def add(to: Vector, what: Vector, weight: float) -> None:
    """Add a multiple of a vector, in place."""
    for i, value in enumerate(what):
        to[i] += weight * value


def total(vectors: Iterable[Vector]) -> Vector:
    """The sum of vectors; zeros for none."""
    return [sum(column) for column in zip(zeros(), *vectors, strict=True)]


def scaled(matrix: Matrix, factor: float) -> Matrix:
    """A matrix times a number."""
    return [[factor * value for value in row] for row in matrix]


def inverse(matrix: Matrix) -> Matrix:
    """Inverse of a symmetric, positive definite matrix (Gauss and Jordan; no pivots are needed)."""
    rows = [[*row, *(1.0 if i == j else 0.0 for j in range(SIZE))] for i, row in enumerate(matrix)]
    for i in range(SIZE):
        pivot = rows[i][i]
        rows[i] = [value / pivot for value in rows[i]]
        for j in range(SIZE):
            if j != i and (factor := rows[j][i]):
                rows[j] = [a - factor * b for a, b in zip(rows[j], rows[i], strict=True)]
    return [row[SIZE:] for row in rows]


def inverse_of_diagonal_and(off: float, diagonal: Vector) -> Matrix:
    """Inverse of a diagonal matrix with `off` added everywhere (Sherman & Morrison 1950): far less work."""
    parts = [1.0 / value for value in diagonal]
    factor = -off / (1.0 + off * sum(parts))
    found = [[factor * a * b for b in parts] for a in parts]
    for i, part in enumerate(parts):
        found[i][i] += part
    return found
