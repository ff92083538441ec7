"""A call that we are to place: the number to dial, and the id that the call will have."""

from __future__ import annotations

from dataclasses import dataclass

from emocx_pbx.domain import Decision


@dataclass(frozen=True, slots=True)
class CallToPlace:
    """A call to place; when it is answered, it enters the decision's queue."""

    number: str
    """The number, in E.164 form, as it was admitted."""
    call_id: str
    """The id that the call's channel will have."""
    decision: Decision
    """The decision, which names the queue."""
    customer: str | None = None
    """The customer's key in the CRM."""
    opted_out: bool = False
    """No analysis of this call."""
