"""A call that we are to place: whom to ring, and what the call will be known by."""

from __future__ import annotations

from dataclasses import dataclass

from emocx_pbx.domain import Decision


@dataclass(frozen=True, slots=True)
class CallToPlace:
    """Who answers it enters the decision's queue."""

    number: str
    """In E.164 form, as it was admitted."""
    call_id: str
    """That the call's channel will have."""
    decision: Decision
    """With the queue."""
    customer: str | None = None
    """The CRM's key."""
    opted_out: bool = False
    """No analysis of this call."""
