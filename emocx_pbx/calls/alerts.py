"""Checks a call's readings against the alert rules in force at its first one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from emocx_pbx.alerts.watch import AlertChange, CallWatch
from emocx_pbx.calls.alerted import Alerted
from emocx_pbx.calls.effects import Count, Effect, Note, Show, TellAlert, WriteAlerts
from emocx_pbx.domain import Reading

if TYPE_CHECKING:
    from emocx_pbx.calls.call_state import CallState


def read(call: CallState, reading: Reading, now: float) -> list[Effect]:
    """The alerts that a new reading raises or clears."""
    return _effects(call, _watch(call).read(reading), now)


def revise(call: CallState, reading: Reading, now: float) -> list[Effect]:
    """The alerts raised or cleared by words added to a reading."""
    return _effects(call, _watch(call).revise(reading), now)


def taken_over(call: CallState, at: float) -> None:
    """Another agent took over the call."""
    if call.zero_at is not None:
        _watch(call).transferred(at - call.zero_at)


def end(call: CallState, at: float, now: float) -> list[Effect]:
    """The call is over: clear what is still raised, and report it."""
    if call.watch is None or call.zero_at is None:
        return []
    return _effects(call, call.watch.end(at - call.zero_at), now)


def recover(call: CallState) -> list[Effect]:
    """Continue a stored call where it was; its earlier alerts are sent only if they were not stored."""
    watch = _watch(call)
    zero_at = call.zero_at or 0.0
    for index in sorted(call.segments):
        before = call.segments.get(index - 1)
        if before is not None and before.agent != call.segments[index].agent and call.zero_at is not None:
            watch.transferred(call.segments[index].started_at - zero_at)
    found = [
        _alerted(call, change, zero_at + change.t1)
        for reading in sorted(call.readings, key=lambda r: (r.t1, r.t0))
        for change in watch.read(reading)
    ]
    return _saved(found)


def _watch(call: CallState) -> CallWatch:
    if call.watch is None:
        call.watch = CallWatch(
            call.rules.alerts(), lambda rule, model: call.rules.level(call.trunk, rule, model)
        )
    return call.watch


def _effects(call: CallState, changes: Sequence[AlertChange], now: float) -> list[Effect]:
    effects: list[Effect] = []
    found = [_alerted(call, change, now) for change in changes]
    for alerted in found:
        change = alerted.change
        effects += [TellAlert(alerted), Show(alerted)]
        if change.state == "raised":
            effects.append(Count("alerts", change.rule))
        facts = {
            "call_id": call.call_id,
            "rule": change.rule,
            "t0": round(change.t0, 2),
            "t1": round(change.t1, 2),
        }
        effects.append(Note(f"alert.{change.state}", f"alert {change.state}", facts))
    return [*effects, *_saved(found)]


def _saved(found: Sequence[Alerted]) -> list[Effect]:
    if not found:
        return []
    return [WriteAlerts(tuple(a.row() for a in found), tuple(a.event() for a in found))]


def _alerted(call: CallState, change: AlertChange, at: float) -> Alerted:
    said_at = (call.zero_at or 0.0) + change.t1
    segments = [s for s in call.segments.values() if s.started_at <= said_at]
    segments = [s for s in segments if s.ended_at is None or s.ended_at >= said_at] or segments
    return Alerted(call.call_id, change, at, call.queue, segments[-1] if segments else None)
