"""What `demo --json` prints: a call from query to webhook, put together from its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def summary(
    call_id: str | None,
    queue: str | None,
    events: Sequence[tuple[str, Mapping[str, Any]]],
    webhooks: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """A call's events, as (type, data) in their order, in one object."""
    routed = next((data for kind, data in events if kind == "query.routed"), {})
    graded = next((data["grade"] for kind, data in events if kind == "call.graded"), None)
    shown = ("t0", "t1", "emotion", "probabilities", "confidence")
    return {
        "call_id": call_id,
        "status": routed.get("status"),
        "queue": queue,
        "decision": {name: routed.get(name) for name in ("emotion", "confidence", "reasons")},
        "readings": [{name: data[name] for name in shown} for kind, data in events if kind == "call.reading"],
        "grade": None if graded is None else _grade(graded),
        "webhooks": list(webhooks),
    }


def _grade(grade: Mapping[str, Any]) -> dict[str, Any]:
    known = grade["low"] is not None and grade["high"] is not None
    return {
        "score": grade["score"],
        "letter": grade["letter"],
        "range": [grade["low"], grade["high"]] if known else None,
        "evidence_s": grade["evidence_s"],
        "contributions": grade["contributions"],
    }
