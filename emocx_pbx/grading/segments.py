"""One agent's segment of a call: its readings, how the customer arrived, and facts beside the grade."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from emocx_pbx.domain import Grade, Reading, Scores, Segment, Span
from emocx_pbx.grading.grade import grade
from emocx_pbx.grading.rubric import Rubric
from emocx_pbx.grading.settle import settled

#: A shorter silence of both sides is a breath, not dead air.
DEAD_AIR_S: Final = 3.0

#: Whoever begins this long after the other and overlaps for this long interrupts; less is a "mhm".
INTERRUPTION_S: Final = 0.5

#: Seconds of speech before a transfer that say how the customer came to the next agent.
BEFORE_S: Final = 12.0

Window = tuple[float, float]


def window_of(segment: Segment, tapped_at: float, now: float | None = None) -> Window:
    """The segment in seconds since the call's first tapped sample; `now` ends an open one."""
    end = segment.ended_at if segment.ended_at is not None else now
    t0 = segment.started_at - tapped_at
    return t0, max(t0, (end if end is not None else segment.started_at) - tapped_at)


def cut_readings(
    readings: Sequence[Reading], t0: float, t1: float, spans: Sequence[Span] = ()
) -> list[Reading]:
    """The call's readings that mostly lie in [t0, t1], cut to it and to what each newly heard.

    Args:
        readings: The whole call's readings.
        t0: Start of the segment in call time.
        t1: Its end.
        spans: The call's utterances, to know how much of a reading's time was speech.
    """
    found = []
    for reading in fresh_readings(readings, spans):
        length = reading.t1 - reading.t0
        inside = min(reading.t1, t1) - max(reading.t0, t0)
        if length > 0 and inside >= length / 2:
            share = min(1.0, inside / length)
            found.append(
                replace(
                    reading,
                    t0=max(reading.t0, t0),
                    t1=min(reading.t1, t1),
                    speech_s=reading.speech_s * share,
                )
            )
    return found


def grade_segment(
    readings: Sequence[Reading],
    window: Window,
    spans: Sequence[Span],
    rubric: Rubric,
    routing: Scores | None = None,
    facts: Mapping[str, Any] | None = None,
) -> Grade:
    """The grade of the stretch `window` of a call, on that stretch's own readings, made consistent.

    Only these count, so that nobody is graded by what another agent heard.

    Args:
        readings: The whole call's.
        window: The agent's segment, seconds of call time.
        spans: The whole call's.
        rubric: The formula's numbers.
        routing: How the customer came to this agent.
        facts: Kept beside the grade (see grade).
    """
    cut = cut_readings(readings, *window, spans)
    steady = settled(cut, rubric.evidence.stay_s)
    return grade(steady, rubric, routing, facts=facts, unsettled=cut)


def fresh_readings(readings: Sequence[Reading], spans: Sequence[Span] = ()) -> list[Reading]:
    """Readings without the speech that the reading before them heard already, by time.

    Windows overlap so that a model hears enough at once; in a grade every second counts once. Without `spans`
    speech is taken to be spread evenly over a reading's time.
    """
    customer = _merged([(s.t0, s.t1) for s in spans if s.side == "customer"])
    fresh: list[Reading] = []
    covered_to = float("-inf")
    for reading in sorted(readings, key=lambda r: (r.t0, r.t1)):
        begin = max(reading.t0, covered_to)
        covered_to = max(covered_to, reading.t1)
        length = reading.t1 - reading.t0
        if begin >= reading.t1 or length <= 0:
            continue
        speech = reading.speech_s * (reading.t1 - begin) / length
        if known := _length(_clipped(_near(customer, begin, reading.t1), begin, reading.t1)):
            speech = min(reading.speech_s, known)
        fresh.append(replace(reading, t0=begin, speech_s=speech))
    return fresh


def scores_before(readings: Sequence[Reading], t0: float) -> Scores | None:
    """How the customer was just before `t0`: mean probabilities of the last seconds of speech.

    For the agent who takes over a call. None if nothing was heard: then the query's scores apply.
    """
    weights = [0.0] * 4
    speech_s = 0.0
    threshold = 0.0
    for reading in sorted((r for r in readings if r.t1 <= t0), key=lambda r: r.t1, reverse=True):
        if speech_s >= BEFORE_S:
            break
        part = min(reading.speech_s, BEFORE_S - speech_s)
        for i, p in enumerate(reading.scores.probabilities):
            weights[i] += part * p
        speech_s += part
        threshold = max(threshold, reading.scores.threshold)
    return Scores.of(weights, threshold) if speech_s > 0 else None


def facts_of(spans: Sequence[Span], t0: float, t1: float, holds: Sequence[Window] = ()) -> dict[str, Any]:
    """Facts of [t0, t1]: talk share, interruptions, dead air and hold.

    Args:
        spans: Utterances of both sides.
        t0: Begin of the segment in call time.
        t1: Its end.
        holds: When the customer was on hold, in call time; what is said then counts for nothing.

    Returns:
        `duration_s`, `customer_s`, `agent_s`, `agent_talk_share` (None if nobody spoke),
        `interruptions_by_agent`, `interruptions_by_customer`, `interruptions_per_minute` (the
        agent's), `dead_air_s`, `dead_air_share`, `longest_silence_s`, `hold_s`, `hold_share`, `holds`.
    """
    duration = max(0.0, t1 - t0)
    held = _merged(_clipped(holds, t0, t1))
    whole = [(t0, t1)] if duration else []
    live = _without(whole, held)
    customer = _talk(spans, "customer", live)
    agent = _talk(spans, "agent", live)
    customer_s, agent_s, hold_s = _length(customer), _length(agent), _length(held)
    silences = _without(live, _merged(sorted(customer + agent)))
    dead = [b - a for a, b in silences if b - a >= DEAD_AIR_S]
    talked = customer_s + agent_s
    by_agent = _interruptions(agent, customer)
    minutes = (duration - hold_s) / 60
    return {
        "duration_s": round(duration, 2),
        "customer_s": round(customer_s, 2),
        "agent_s": round(agent_s, 2),
        "agent_talk_share": round(agent_s / talked, 3) if talked else None,
        "interruptions_by_agent": by_agent,
        "interruptions_by_customer": _interruptions(customer, agent),
        "interruptions_per_minute": round(by_agent / minutes, 2) if minutes > 0 else 0.0,
        "dead_air_s": round(sum(dead), 2),
        "dead_air_share": round(sum(dead) / duration, 3) if duration else 0.0,
        "longest_silence_s": round(max((b - a for a, b in silences), default=0.0), 2),
        "hold_s": round(hold_s, 2),
        "hold_share": round(hold_s / duration, 3) if duration else 0.0,
        "holds": len(held),
    }


def _talk(spans: Sequence[Span], side: str, live: Sequence[Window]) -> list[Window]:
    windows = _merged(sorted((s.t0, s.t1) for s in spans if s.side == side))
    return [w for a, b in live for w in _clipped(windows, a, b)]


def _clipped(windows: Sequence[Window], t0: float, t1: float) -> list[Window]:
    return [(max(a, t0), min(b, t1)) for a, b in windows if min(b, t1) > max(a, t0)]


def _merged(windows: Sequence[Window]) -> list[Window]:
    merged: list[Window] = []
    for a, b in sorted(windows):
        if merged and a <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(b, merged[-1][1]))
        else:
            merged.append((a, b))
    return merged


def _without(windows: Sequence[Window], holes: Sequence[Window]) -> list[Window]:
    """What is left of windows outside the holes; both sorted and merged."""
    left: list[Window] = []
    for a, b in windows:
        at = a
        for c, d in _clipped(holes, a, b):
            if c > at:
                left.append((at, c))
            at = d
        if b > at:
            left.append((at, b))
    return left


def _length(windows: Sequence[Window]) -> float:
    return sum(b - a for a, b in windows)


def _interruptions(who: Sequence[Window], whom: Sequence[Window]) -> int:
    """How often `who` began while `whom` was speaking, and talked on over it."""
    return sum(
        any(c + INTERRUPTION_S <= a < d and min(b, d) - a >= INTERRUPTION_S for c, d in _near(whom, a, a))
        for a, b in who
    )


def _near(windows: Sequence[Window], t0: float, t1: float) -> Sequence[Window]:
    """Those of the sorted, disjoint windows that may touch [t0, t1]; long calls have thousands."""
    first = bisect_left(windows, t0, key=lambda w: w[1])
    return windows[first : bisect_right(windows, t1, lo=first, key=lambda w: w[0])]
