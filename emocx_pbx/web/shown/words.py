"""Short numbers and words that the views share; the words themselves are in strings/."""

from __future__ import annotations

from typing import Final

from emocx_pbx.web.strings import t

#: Names of customers' signals, worst first, as charts and tables list them.
EMOTIONS: Final = ("angry", "disappointed", "uncertain", "neutral", "happy")


def word(table: str, key: str | None) -> str:
    """The word of a key in strings/words.toml; an unknown key stands for itself."""
    return t(f"words.{table}.{key}", (key or "").replace("_", " "))


def points(value: float | None) -> str:
    """A score or points without decimals; a dash for none."""
    return "–" if value is None else f"{value:.0f}"


def span_words(low: float | None, high: float | None) -> str:
    """A range: 58 to 66."""
    return (
        "–" if low is None or high is None else t("words.range.words", low=f"{low:.0f}", high=f"{high:.0f}")
    )
