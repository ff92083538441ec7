"""The deed of sending events again."""

from __future__ import annotations

import math
from dataclasses import dataclass

from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import Entry
from emocx_pbx.store.database import Store


@dataclass(frozen=True, slots=True)
class Which:
    """Which events, and to which receiver; None: any."""

    receiver: str | None = None
    event_id: str | None = None
    call_id: str | None = None
    type: str | None = None
    since: float | None = None
    """Unix seconds."""
    until: float | None = None
    failed: bool = False
    """Only deliveries that were given up."""

    @property
    def narrowed(self) -> bool:
        """Whether this selects less than everything."""
        some = (self.event_id, self.call_id, self.type, self.since, self.until)
        return self.failed or any(part is not None for part in some)


async def replay(store: Store, which: Which, by: Actor, *, everything: bool = False) -> int:
    """Send events again: one, a call's, or a range; ids stay, so receivers can recognise repetitions.

    Args:
        store: its sender will notice.
        which: events and receiver.
        by: who does it.
        everything: allow a selection that nothing narrows, i.e. every event ever.

    Returns:
        How many deliveries are pending because of this.

    Raises:
        InputError: nothing narrows the selection.
        NotFoundError: there is no such receiver.
    """
    if not which.narrowed and not everything:
        raise InputError("say which: an event, a call, a type, a time, those that failed, or all")
    names = [receiver.name for receiver in store.receivers.current()]
    if which.receiver is not None and which.receiver not in names:
        raise NotFoundError(f"no receiver {which.receiver}; there are: {', '.join(names) or 'none'}")
    asked = {name: value for name in which.__slots__ if (value := getattr(which, name)) not in {None, False}}
    return await store.outbox.replay(
        which.receiver,
        which.event_id,
        which.call_id,
        which.type,
        -math.inf if which.since is None else which.since,
        math.inf if which.until is None else which.until,
        "failed" if which.failed else None,
        lambda number: Entry(
            by, "webhook.replayed", which.receiver or "all", None, {**asked, "number": number}
        ),
    )
