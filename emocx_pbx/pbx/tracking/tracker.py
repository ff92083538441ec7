"""The calls that are going on: followed by events, taken over from the store, in step with Asterisk again.

Pure. After the link or the service was away nothing is told again: `reconcile` puts what we knew beside what
Asterisk knows now, and gives the changes that were missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import inf

from emocx_pbx.call_ids import on_pbx
from emocx_pbx.pbx.tracking.changes import CallChange
from emocx_pbx.pbx.tracking.following import Event, Following
from emocx_pbx.pbx.tracking.names import trunk_of
from emocx_pbx.pbx.tracking.tracked import Ending, Leg, TrackedCall


class CallTracker(Following):
    """Follows calls through events, outages of the link and restarts of ours."""

    def adopt(self, call: TrackedCall, legs: Mapping[str, Leg]) -> None:
        """Take over a call known from the store, after a restart of ours."""
        call.open = dict(legs)
        call.legs |= legs
        self._callers.add(call)

    def forget(self, call_id: str) -> None:
        """An announced call never came to be."""
        self._callers.remove(call_id)

    def announce(self, call_id: str, channel: str, caller: str, at: float, callback: bool = False) -> None:
        """Know a customer's channel before it joins a queue: it asked for a decision, or we dial it."""
        if call_id not in self.calls:
            internal = not callback and self.names.is_agent(channel, caller)
            call = TrackedCall(call_id, channel, at, caller=caller, callback=callback, internal=internal)
            self._callers.add(call)

    def channel_of(self, call_id: str) -> str | None:
        """The name of a call's channel; None: the call is over, or not known."""
        call = self.calls.get(call_id)
        return call.channel if call else None

    def is_to_join(self, call_id: str) -> bool:
        """Whether a call is known that has not joined a queue yet."""
        call = self.calls.get(call_id)
        return call is not None and call.queue is None

    def trunk_of(self, call_id: str) -> str | None:
        """The endpoint that a call's customer came by (on_pbx); None: unknown, or none of Asterisk's."""
        call = self.calls.get(call_id)
        trunk = trunk_of(call.channel) if call else None
        return trunk and on_pbx(self.pbx, trunk)

    # After the link was down.

    def reconcile(
        self, channels: Iterable[Event], at: float, since: float | None = None, asked_at: float = inf
    ) -> list[CallChange]:
        """Changes missed while the link was down, or we were.

        Args:
            channels: the answers to the AMI action Status, best with MEMBERNAME and MEMBERINTERFACE.
            at: now.
            since: when we were last in step; None: not known.
            asked_at: when Status was asked; a call that began later is none of its answer's.
        """
        known = list(channels)
        living = {channel.get("Uniqueid", "") for channel in known}
        self._bridges.restart(known)
        self._callers.restart(known)
        self._picked &= living
        changes: list[CallChange] = []
        for call in list(self.calls.values()):
            if call.uniqueid not in living:
                if call.started_at >= asked_at:
                    continue
                changes += self._end(call, at, "lost")
                continue
            call.moving = None
            call.left = {leg: left for leg, left in call.left.items() if leg in living}
            missed_s = max(0.0, at - since) if since is not None else 0.0
            changes += self._settle(call, at, Ending("lost"), missed_s)
            self._answered(call)  # a segment that goes on causes no change
        for channel in self._callers.unknown(known):
            changes += self._found(channel, at, since)
        return changes

    def _found(self, channel: Event, at: float, since: float | None) -> list[CallChange]:
        """A customer in a queue, or with an agent of it, who came while we were away."""
        queue = channel.get("Data", "").partition(",")[0]
        self.names.met_variables(channel.get("Variable", ""), queue)
        started = at - float(channel.get("Seconds") or 0)
        joined = {**channel, "Queue": queue, "Position": "0"}
        changes = self._queue_join(joined, min(at, started))
        call = self._callers.of(channel)
        if call is None or not channel.get("BridgeID"):
            return changes
        # Seconds is cut to a whole number: at most one more was missed.
        began = started - 1.0
        missed_s = at - max(began, since if since is not None else began)
        return [*changes, *self._settle(call, at, Ending("lost"), max(0.0, missed_s))]

    def asterisk_restarted(self, at: float, since: float | None = None) -> list[CallChange]:
        """Asterisk came back as a new process: every call it had is gone.

        Args:
            at: now.
            since: when the link was lost; calls that began later may be the new Asterisk's, which its
                answer to Status decides (`reconcile`). None: there are none.
        """
        self._bridges.restart()
        self._picked.clear()
        gone = [call for call in self.calls.values() if since is None or call.started_at < since]
        changes = [change for call in gone for change in self._end(call, at, "asterisk_restart")]
        self._callers.restart([])
        return changes
