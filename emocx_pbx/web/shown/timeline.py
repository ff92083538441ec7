"""A call as lanes over time: signals, speech of both sides, agents' segments, holds, alerts.

Times in it are seconds since the call began; the store's readings count from the first tapped sample.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from emocx_pbx.domain import Reading, Segment, Span
from emocx_pbx.grading.segments import fresh_readings
from emocx_pbx.grading.settle import settled
from emocx_pbx.store.rows import AlertRow, CallDetail
from emocx_pbx.web.filters import duration, percent
from emocx_pbx.web.shown.scale import Scale, Tick, line, time_step
from emocx_pbx.web.shown.words import EMOTIONS, word
from emocx_pbx.web.strings import t

#: Classes drawn below the middle line, from it downwards; happy is drawn above, neutral not at all.
BELOW: Final = ("angry", "disappointed")
#: Shortest length in seconds: a chart without length can't be read.
LEAST_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Bar:
    """A stretch on a lane; `x` and `width` are per cent."""

    t0: float
    t1: float
    x: float
    width: float
    label: str
    title: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Layer:
    """One class of a reading; `y` and `height` are per cent of the chart's height, from the top."""

    emotion: str
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Stack:
    """One reading, drawn at the speech that is new in it."""

    index: int
    """Among the call's readings by time."""
    t0: float
    t1: float
    x: float
    width: float
    emotion: str
    confidence: float
    layers: tuple[Layer, ...]
    title: str


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment: an alert or a handover."""

    at: float
    x: float
    label: str
    title: str
    since: float
    """Begin of the stretch that it is about, which ends at the mark."""
    x_since: float
    width: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """All lanes of a call."""

    total_s: float
    ticks: tuple[Tick, ...]
    segments: tuple[Bar, ...]
    stacks: tuple[Stack, ...]
    customer: tuple[Bar, ...]
    agent: tuple[Bar, ...]
    holds: tuple[Bar, ...]
    waits: tuple[Bar, ...]
    alerts: tuple[Mark, ...]
    handovers: tuple[Mark, ...]
    level_path: str
    """SVG path of the level through a drawing of 1000 by 100."""
    summary: str
    """What the chart shows, in a sentence for people who can't see it."""


def offset_of(detail: CallDetail) -> float:
    """Seconds from the call's begin to the first tapped sample."""
    return detail.call.tapped_at - detail.call.started_at if detail.call.tapped_at is not None else 0.0


def timeline(
    detail: CallDetail, now: float, stay_s: float = 0.0, alerts: Sequence[AlertRow] = ()
) -> Timeline:
    """The lanes of a call.

    Args:
        detail: from the store.
        now: Unix seconds; where an open call ends.
        stay_s: the rubric's parameter by which readings are smoothed.
        alerts: raised on the call.
    """
    call = detail.call
    begin, end = call.started_at, call.ended_at or now
    offset = offset_of(detail)
    total = max(LEAST_S, end - begin, *(r.t1 + offset for r in detail.readings), LEAST_S)
    scale = Scale(0.0, total)
    ordered = sorted(detail.readings, key=lambda r: (r.t0, r.t1))
    fresh = fresh_readings(ordered, detail.spans)
    place = {id(r.scores): i for i, r in enumerate(ordered)}
    stacks = tuple(_stack(reading, place[id(reading.scores)], offset, scale) for reading in fresh)
    segments = tuple(_part(s, begin, end, scale) for s in detail.segments)
    return Timeline(
        total_s=total,
        ticks=scale.ticks(time_step(total)),
        segments=segments,
        stacks=stacks,
        customer=_speech(detail.spans, "customer", offset, scale),
        agent=_speech(detail.spans, "agent", offset, scale),
        holds=tuple(
            bar(
                h.started_at - begin,
                (h.ended_at or end) - begin,
                scale,
                t("timeline.on_hold"),
                t("timeline.on_hold"),
                "hold",
            )
            for h in detail.holds
        ),
        waits=_waits(detail.segments, begin, end, scale),
        alerts=tuple(_alert(alert, begin, offset, scale) for alert in alerts),
        handovers=tuple(_handover(segment, begin, scale) for segment in detail.segments[1:]),
        level_path=_level_path(fresh, offset, total, stay_s),
        summary=_summary(stacks, detail),
    )


def bar(t0: float, t1: float, scale: Scale, label: str, title: str, kind: str = "") -> Bar:
    """A stretch on the scale, its title with its times."""
    t0, t1 = max(0.0, t0), max(0.0, t1)
    titled = t("timeline.times", what=title, begin=duration(t0), end=duration(t1))
    return Bar(t0, t1, scale.at(t0), scale.width(t0, t1), label, titled, kind)


def _part(segment: Segment, begin: float, end: float, scale: Scale) -> Bar:
    title = t("timeline.part", agent=segment.agent, via=word("via", segment.via))
    return bar(
        segment.started_at - begin, (segment.ended_at or end) - begin, scale, segment.agent, title, "part"
    )


def _waits(segments: Sequence[Segment], begin: float, end: float, scale: Scale) -> tuple[Bar, ...]:
    """Time with no agent: before the first, and between two."""
    words = t("timeline.waiting")
    found, at = [], 0.0
    for segment in sorted(segments, key=lambda s: s.started_at):
        if segment.started_at - begin - at >= 1.0:
            found.append(bar(at, segment.started_at - begin, scale, words, words, "wait"))
        at = max(at, (segment.ended_at or end) - begin)
    if not segments and end - begin >= 1.0:
        found.append(bar(0.0, end - begin, scale, words, words, "wait"))
    return tuple(found)


def _speech(spans: Sequence[Span], side: str, offset: float, scale: Scale) -> tuple[Bar, ...]:
    who = t(f"timeline.{side}_speaks")
    return tuple(bar(s.t0 + offset, s.t1 + offset, scale, "", who, side) for s in spans if s.side == side)


def _stack(reading: Reading, index: int, offset: float, scale: Scale) -> Stack:
    """A reading without the stretch that the one before it already covered."""
    t0, t1, scores = reading.t0 + offset, reading.t1 + offset, reading.scores
    layers = _layers(scores.as_dict())
    emotion, sure = scores.emotion, scores.confidence
    title = t(
        "timeline.reading",
        begin=duration(t0), end=duration(t1), emotion=word("emotion", emotion), confidence=percent(sure),
    )  # fmt: skip
    return Stack(index, t0, t1, scale.at(t0), scale.width(t0, t1), emotion, sure, layers, title)


def _layers(shares: Mapping[str, float]) -> tuple[Layer, ...]:
    """Happy from the middle up, angry from the middle down, disappointed below it."""
    layers = [Layer("happy", round(50 - 50 * shares["happy"], 2), round(50 * shares["happy"], 2))]
    y = 50.0
    for emotion in BELOW:
        layers.append(Layer(emotion, round(y, 2), round(50 * shares[emotion], 2)))
        y += 50 * shares[emotion]
    return tuple(layers)


def _level_path(readings: Sequence[Reading], offset: float, total: float, stay_s: float) -> str:
    """The level as grades see it: each reading in the light of its neighbours."""
    steps = [
        (((r.t0 + r.t1) / 2 + offset) / total, (r.scores.valence + 1) / 2) for r in settled(readings, stay_s)
    ]
    return line(steps, 1000, 100)


def _alert(alert: AlertRow, begin: float, offset: float, scale: Scale) -> Mark:
    """The mark stands where it was raised; its stretch is the speech that raised it."""
    message = alert.message
    if alert.cleared_at is not None:
        over = duration(alert.cleared_at - begin)
        message = t("timeline.cleared", what=message, at=over, why=word("clear", alert.clear_reason))
    t0, t1 = alert.t0 + offset, alert.t1 + offset
    titled = t("timeline.at", begin=duration(t1), what=message)
    return Mark(t1, scale.at(t1), alert.rule, titled, t0, scale.at(t0), scale.width(t0, t1))


def _handover(segment: Segment, begin: float, scale: Scale) -> Mark:
    at = segment.started_at - begin
    titled = t("timeline.at", begin=duration(at), what=t("timeline.handover", agent=segment.agent))
    return Mark(at, scale.at(at), "handover", titled, at, scale.at(at), 0.0)


def _summary(stacks: Sequence[Stack], detail: CallDetail) -> str:
    if not stacks:
        return t("timeline.no_readings")
    seconds = {e: sum(s.t1 - s.t0 for s in stacks if s.emotion == e) for e in EMOTIONS}
    total = sum(seconds.values()) or 1.0
    third = max(1, len(stacks) // 3)
    return t(
        "timeline.summary",
        n=len(stacks),
        shares=", ".join(f"{word('emotion', e)} {percent(v / total)}" for e, v in seconds.items() if v > 0),
        first=_most(stacks[:third]),
        last=_most(stacks[-third:]),
        agents=t("timeline.then").join(s.agent for s in detail.segments) or t("timeline.nobody"),
    )


def _most(stacks: Sequence[Stack]) -> str:
    lasted = {e: sum(s.t1 - s.t0 for s in stacks if s.emotion == e) for e in EMOTIONS}
    return word("emotion", max(lasted, key=lambda e: lasted[e]))
