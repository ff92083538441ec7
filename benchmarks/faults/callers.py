"""Callers by the manager interface's events: who arrived, reached a queue, spoke with whom, left. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from benchmarks.faults.history import Caller, Talk


class Callers:
    """Collects callers whose channels' Uniqueids were given out by `expect`."""

    def __init__(self) -> None:
        self._opted_out: dict[str, bool] = {}
        self._callers: dict[str, Caller] = {}
        self._legs: dict[str, Talk] = {}

    @property
    def all(self) -> tuple[Caller, ...]:
        """Everybody who came, in the order they came."""
        return tuple(self._callers.values())

    @property
    def going_on(self) -> list[Caller]:
        """Callers who have not left."""
        return [caller for caller in self._callers.values() if caller.ended is None]

    def expect(self, call_id: str, opted_out: bool) -> None:
        """A channel with this Uniqueid will come."""
        self._opted_out[call_id] = opted_out

    def of(self, call_id: str) -> Caller | None:
        """One caller; None before the channel exists."""
        return self._callers.get(call_id)

    def take(self, event: Mapping[str, str], at: float) -> None:
        """Take an event; `at` is Asterisk's own time of it (Unix seconds)."""
        uniqueid = event.get("Uniqueid", "")
        match event.get("Event"):
            case "Newchannel" if uniqueid in self._opted_out and uniqueid not in self._callers:
                opted_out = self._opted_out[uniqueid]
                self._callers[uniqueid] = Caller(uniqueid, event.get("Channel", ""), at, opted_out)
            case "QueueCallerJoin":
                if (caller := self._callers.get(uniqueid)) and caller.joined is None:
                    caller.joined = at
            case "AgentConnect":
                if caller := self._callers.get(uniqueid):
                    leg, channel = event.get("DestUniqueid", ""), event.get("DestChannel", "")
                    agent = event.get("MemberName") or event.get("Interface", "")
                    talk = self._legs[leg] = Talk(agent, leg, channel, at)
                    caller.talks.append(talk)
            case "BridgeLeave" | "Hangup":
                if (left := self._legs.get(uniqueid)) and left.ended is None:
                    left.ended = at
                if event["Event"] == "Hangup" and (caller := self._callers.get(uniqueid)):
                    self._left(caller, at)

    def asterisk_died(self, at: float) -> None:
        """Every call that was going on ended with Asterisk."""
        for caller in self.going_on:
            caller.died = True
            self._left(caller, at)

    def _left(self, caller: Caller, at: float) -> None:
        if caller.ended is None:
            caller.ended = at
        for talk in caller.talks:
            if talk.ended is None:
                talk.ended = at
