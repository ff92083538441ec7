"""Prints a call's events for a person to read, line by line, as they come."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emocx_pbx.lab.receiver import Received

Say = Callable[[str], None]

_BAR = 20


class Teller:
    """Prints each event of a receiver once."""

    def __init__(self, say: Say) -> None:
        self._say = say
        self._seen: set[str] = set()

    def on_event(self, event: Received) -> None:
        """Take a delivery; a repeated one says nothing."""
        if event.id in self._seen:
            return
        self._seen.add(event.id)
        if not event.signature_valid:
            self._say(f"  REFUSED a webhook {event.type} whose signature is wrong")
            return
        for line in lines(event.type, event.data):
            self._say(line)
        if event.type != "call.reading":
            self._say(f"  webhook {event.type} received, signature valid")


def lines(kind: str, data: Mapping[str, Any]) -> list[str]:
    """An event as lines for a terminal."""
    match kind:
        case "query.routed":
            return [
                f"Decision: queue {data['queue']}, signals of {data['emotion']} ({data['confidence']:.0%})",
                *(f"  because {reason}" for reason in data["reasons"]),
            ]
        case "call.started":
            return [f"Call: waiting in queue {data['queue']}; signals in the customer's speech:"]
        case "call.reading":
            return [reading(data)]
        case "call.graded":
            return grade(data["grade"], data["agent"])
        case "call.ended":
            return [f"Call over after {data['duration_s']:.0f} s"]
        case _:
            return []


def reading(data: Mapping[str, Any]) -> str:
    """One line of the timeline: time, a bar from upset (left) to pleased (right), the emotion."""
    place = round((data["valence"] + 1) / 2 * (_BAR - 1))
    bar = "".join("|" if i == place else "." for i in range(_BAR))
    stretch = f"{mm_ss(data['t0'])}-{mm_ss(data['t1'])}"
    return f"  {stretch:>11}  {bar}  {data['emotion']} {data['confidence']:.0%}"


def grade(data: Mapping[str, Any], agent: str) -> list[str]:
    """A grade with its sum."""
    if data["score"] is None:
        return [f"Grade for {agent}: insufficient evidence ({data['evidence_s']:.0f} s of customer speech)"]
    spread = f", range {data['low']:.0f} to {data['high']:.0f}" if data["low"] is not None else ""
    head = f"Grade for {agent}: {data['score']:.0f} ({data['letter']}){spread}"
    head += f", on {data['evidence_s']:.0f} s of customer speech"
    sums = (f"  {c['points']:+6.1f}  {c['name']}: {c['detail']}" for c in data["contributions"])
    return [head, *sums]


def mm_ss(t: float) -> str:
    """Time in a call: 75.2 -> 1:15."""
    return f"{int(t) // 60}:{int(t) % 60:02d}"
