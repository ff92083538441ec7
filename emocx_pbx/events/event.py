"""Events for receivers: what is new, its constant id, and its exact body."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from emocx_pbx.call_ids import pbx_of
from emocx_pbx.events.json_text import json_text

#: Version of every `data` object; grows when a field changes its meaning or is removed.
SCHEMA_VERSION: Final = 1

#: Sent only to receivers that name them: they come every few seconds of every call.
OFF_BY_DEFAULT: Final = frozenset({"call.reading", "reading.revised"})

_NAMESPACE: Final = uuid.UUID("6f0a2c9e-8c1b-5b7e-9d53-1f4f3d1f8a60")


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that receivers should hear of, before it has its place in the call's sequence."""

    type: str
    """One of settings.EVENT_TYPES."""
    call_id: str | None
    """None for an erasure, and for a query without a call (yet), whose id is then in `discriminator`."""
    data: Mapping[str, Any]
    """Payload beside call_id, pbx, sequence and schema_version; JSON values."""
    at: float
    """Unix seconds when it happened."""
    discriminator: str = ""
    """Tells events of the same type and call apart, e.g. the segment's number."""

    @property
    def stream(self) -> str:
        """What the sequence is counted within: the call, else the decision, else the erasure."""
        if self.call_id is not None:
            return self.call_id
        return f"{'erasure' if self.type == 'customer.erased' else 'decision'}/{self.discriminator}"

    @property
    def event_id(self) -> str:
        """`evt_` and a UUID derived from what the event is: made again after a crash, it is the same."""
        name = "\n".join((self.stream, self.type, self.discriminator))
        return f"evt_{uuid.uuid5(_NAMESPACE, name).hex}"

    def body(self, sequence: int) -> str:
        """The JSON that is signed and sent, byte for byte, on every attempt."""
        data = {
            "call_id": self.call_id,
            "pbx": pbx_of(self.call_id or ""),
            "sequence": sequence,
            "schema_version": SCHEMA_VERSION,
            **self.data,
        }
        envelope = {"type": self.type, "timestamp": iso(self.at), "data": data}
        return json_text(envelope)


def probe_body(at: float) -> str:
    """The body of a `webhook.test`, which an administrator sends by hand; it belongs to no call."""
    data = {"call_id": None, "pbx": "", "sequence": 0, "schema_version": SCHEMA_VERSION}
    return json_text({"type": "webhook.test", "timestamp": iso(at), "data": data})


def iso(at: float) -> str:
    """Unix seconds as ISO 8601 in UTC with milliseconds, e.g. 2026-11-24T10:00:00.000Z."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def wants(events: tuple[str, ...], event_type: str) -> bool:
    """Whether a receiver with this `events` setting gets that type (empty: all but call.reading and
    reading.revised).
    """
    return event_type in events if events else event_type not in OFF_BY_DEFAULT
