"""What a person may do to a grade: give another score, or dispute it. Pure; the old one stays."""

from __future__ import annotations

from dataclasses import replace

from emocx_pbx.domain import Contribution, Grade
from emocx_pbx.errors import InputError
from emocx_pbx.grading.rubric import Rubric


def overridden(grade: Grade, score: float, rubric: Rubric, author: str, reason: str) -> Grade:
    """The grade with a supervisor's score; one more contribution makes the sum right.

    Raises:
        InputError: the score is not 0 to 100, or author or reason is missing.
    """
    _signed(author, reason)
    if not 0 <= score <= 100:
        raise InputError(f"a score is 0 to 100, not {score:g}")
    rounded = round(score, 2)
    kept = tuple(c for c in grade.contributions if c.name != "override")
    line = Contribution("override", round(rounded - sum(c.points for c in kept), 2), f"{author}: {reason}")
    # A person's score has no range: the model's confusions don't apply to it.
    return replace(
        grade,
        score=rounded,
        letter=rubric.letter(rounded),
        low=rounded,
        high=rounded,
        contributions=(*kept, line),
    )


def disputed(grade: Grade, author: str, reason: str) -> Grade:
    """The same grade, for a revision of kind `dispute`.

    Raises:
        InputError: author or reason is missing.
    """
    _signed(author, reason)
    return grade


def _signed(author: str, reason: str) -> None:
    if not author.strip() or not reason.strip():
        raise InputError("a revision needs an author and a reason")
