"""Turns a call as stored back into a CallState. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.rules import Rules
from emocx_pbx.domain import Segment
from emocx_pbx.pbx.tracking.names import endpoint_of
from emocx_pbx.pbx.tracking.tracked import TrackedCall
from emocx_pbx.store.rows import CallDetail

Event = Mapping[str, str]


def stored_state(detail: CallDetail, rules: Rules) -> CallState:
    """A call as the store knows it, after a restart of ours."""
    row = detail.call
    decision = detail.decision.decision if detail.decision else None
    call = CallState(row.call_id, rules, row.started_at, zero_at=row.tapped_at, decision=decision)
    call.customer, call.caller, call.callback = row.customer_key, row.caller, row.callback
    call.opted_out = row.opted_out or (decision is not None and decision.status == "optout")
    call.visits = list(detail.visits)
    call.begun = any(event.type == "call.started" for event in detail.events)
    call.readings, call.spans = list(detail.readings), list(detail.spans)
    call.holds = [(hold.started_at, hold.ended_at) for hold in detail.holds]
    call.segments = {segment.index: segment for segment in detail.segments}
    call.grades = {grade.segment: grade.grade for grade in detail.grades}
    call.ungraded = {s.index for s in detail.segments if s.ended_at is not None} - set(call.grades)
    return call


def open_legs(
    call: TrackedCall, segments: Sequence[Segment], channels: Sequence[Event]
) -> dict[str, Segment]:
    """The stored open segments by their agent's leg: the one sharing the customer's bridge."""
    bridge = next((c.get("BridgeID") for c in channels if c.get("Uniqueid") == call.uniqueid), None)
    legs = {
        c["Uniqueid"]: endpoint_of(c.get("Channel", ""))
        for c in channels
        if bridge and c.get("BridgeID") == bridge and c.get("Uniqueid") != call.uniqueid
    }
    found: dict[str, Segment] = {}
    # In a conference the agent's leg is the one on their interface.
    for segment in sorted(segments, key=lambda s: s.interface not in legs.values()):
        fit = [leg for leg, endpoint in legs.items() if _may_be(endpoint, segment.interface)]
        fit.sort(key=lambda leg: legs[leg] != segment.interface)
        # If its leg is gone, the tracker closes it when it reconciles.
        leg = fit[0] if fit else f"gone-{segment.index}"
        legs.pop(leg, None)
        found[leg] = segment
    return found


def _may_be(endpoint: str, interface: str) -> bool:
    """Whether a leg's endpoint can be an agent's: a Local channel does not show who is behind it."""
    if interface == endpoint or interface.startswith(f"{endpoint}/"):
        return True
    return not interface.startswith(endpoint.partition("/")[0] + "/")
