"""Algebra of a handful of numbers: vectors and square matrices of one size, without numpy's start-up.

The controller loads no numpy; an agent's effects on five kinds of callers need no more than this.
"""

from __future__ import annotations

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
    return [sum(map(mul, row, vector)) for row in matrix]


def minus(a: Vector, b: Vector) -> Vector:
    """Difference."""
    return list(map(sub, a, b))


def add(to: Vector, what: Vector, weight: float) -> None:
    """Add a multiple of a vector, in place."""
    for i, value in enumerate(what):
        to[i] += weight * value


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
