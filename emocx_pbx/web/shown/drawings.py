"""Small drawings that several pages use, as SVG; each stands beside its words. Pure.

Templates call them as `charts`. They are not templates, since a page of many agents has hundreds of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from markupsafe import Markup, escape

from emocx_pbx.web.shown.agents import LetterShare, TrendPoint
from emocx_pbx.web.shown.queues import STATES, EmotionShare
from emocx_pbx.web.strings import t

#: Signs beside colours: colour is never the only one.
SIGNS: Final[Mapping[str, str]] = {
    "angry": "▲",
    "disappointed": "▼",
    "neutral": "▬",
    "happy": "●",
    "uncertain": "○",
    "none": "·",
}
#: Per cent of a bar from which a part has room for a letter, for a sign, and for a sign with its number.
LETTER_ROOM: Final = 7
SIGN_ROOM: Final = 5
NUMBER_ROOM: Final = 11


class DrawnInterval(Protocol):
    """A mean with its interval, in per cent of the drawing's width."""

    @property
    def x(self) -> float:
        """Of the mean."""

    @property
    def x_low(self) -> float:
        """Of the lower end."""

    @property
    def width(self) -> float:
        """Of the interval."""


def emotion_legend() -> Markup:
    """What the colours and signs of `emotions` mean."""
    keys = [
        f'<span><svg class="key" aria-hidden="true"><rect class="soft-{state}" width="100%" height="100%"/>'
        f"</svg> {SIGNS[state]} {escape(_word(state))}</span>"
        for state in STATES
    ]
    return Markup(f'<p class="legend">{"".join(keys)}</p>')


def interval(i: DrawnInterval, zero: float | None = None) -> Markup:
    """A mean with its 95 % interval; `zero`: where a middle line is, in per cent."""
    middle = "" if zero is None else f'<line class="zero" x1="{zero}%" x2="{zero}%" y1="0" y2="14"/>'
    return Markup(
        '<svg class="interval" width="100%" height="14" aria-hidden="true">'
        f'<line class="grid" x1="0" x2="100%" y1="7" y2="7"/>{middle}'
        f'<rect class="range-bar" x="{i.x_low}%" y="3" width="{i.width}%" height="8" rx="2"/>'
        f'<circle class="range-dot" cx="{i.x}%" cy="7" r="4"/></svg>'
    )


def letters(shares: Sequence[LetterShare]) -> Markup:
    """How often each letter was given."""
    words, parts = [], []
    for share in shares:
        letter = escape(share.letter)
        words.append(f"{letter}: {share.number}")
        sign = letter if share.width >= LETTER_ROOM else ""
        parts.append(_part(share.x, share.width, f"letter-{letter}", words[-1], sign))
    return _bar(", ".join(words), parts)


def emotions(shares: Sequence[EmotionShare], label: str) -> Markup:
    """How customers arrived or left: a bar of shares with a sign and a number in each."""
    words, parts = [], []
    for share in shares:
        word, sign = escape(_word(share.emotion)), SIGNS[share.emotion]
        words.append(f"{word} {share.number}")
        inside = f"{sign} {share.number}" if share.width >= NUMBER_ROOM else sign
        text = inside if share.width >= SIGN_ROOM else ""
        parts.append(_part(share.x, share.width, f"soft-{share.emotion}", f"{word}: {share.number}", text))
    return _bar(f"{escape(label)}: {', '.join(words)}", parts)


def trend(points: Sequence[TrendPoint], height: int = 32) -> Markup:
    """Means over time with their intervals, 0 to 100 upwards; a stretch with too few grades has no point."""
    radius = 3.5 if height > 50 else 2.5
    marks = [
        f'<rect class="range-bar" x="{p.x - 2}%" y="{p.y_high}%" width="4%" height="{p.height}%"/>'
        f'<circle class="range-dot" cx="{p.x}%" cy="{p.y}%" r="{radius}"/>'
        for p in points
        if p.mean is not None
    ]
    return Markup(
        f'<svg class="interval trend-chart" width="100%" height="{height}" aria-hidden="true">'
        f'<line class="grid" x1="0" x2="100%" y1="50%" y2="50%"/>{"".join(marks)}</svg>'
    )


def _word(state: str) -> str:
    return t(f"common.emotion.{state}")


def _bar(label: str, parts: Sequence[str]) -> Markup:
    """A bar of parts beside each other; `label` is escaped already."""
    return Markup(
        f'<svg class="stacked" width="100%" height="20" role="img" aria-label="{label}">'
        f"{''.join(parts)}</svg>"
    )


def _part(x: float, width: float, kind: str, title: str, text: str) -> str:
    """One part of a bar; all texts are escaped already."""
    inside = f'<text x="50%" y="14" text-anchor="middle">{text}</text>' if text else ""
    return (
        f'<svg x="{x}%" width="{width}%"><rect class="{kind}" width="100%" height="20">'
        f"<title>{title}</title></rect>{inside}</svg>"
    )
