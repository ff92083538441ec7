"""The part of the check that finds whether the manager user is told what happens, by causing it and
listening.

Asterisk lists permissions to write, but not those to read; and a filter hides events silently. So the check
causes an event of each class: its own channels (call), a member's penalty set to what it is (agent), a user
event of its own (user).
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping
from uuid import UUID

from emocx_pbx.check.asterisk_values import AsteriskValues
from emocx_pbx.check.finding import Finding, Level
from emocx_pbx.errors import PeerUnavailable, RefusedError
from emocx_pbx.pbx.ami.ami import Ami

#: Seconds; events come within some milliseconds of their cause.
ARRIVAL_S = 1.0
#: What is lost without the events of a class.
LOST: Mapping[str, tuple[Level, str]] = {
    "call": ("fail", "calls are neither seen nor tapped"),
    "agent": ("fail", "calls have no queue and no agent, so none is graded"),
    "user": ("warn", "events of others are not heard"),
}
#: Events without which calls, agents or their ends are not known, by class.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "call": ("Newchannel", "Hangup", "BridgeEnter", "BridgeLeave", "HangupRequest", "Hold", "Unhold",
             "MusicOnHoldStart", "MusicOnHoldStop", "BlindTransfer", "AttendedTransfer", "DialEnd"),
    "agent": ("QueueCallerJoin", "QueueCallerLeave", "QueueCallerAbandon", "AgentCalled", "AgentConnect",
              "AgentComplete"),
}  # fmt: skip


class EventsReceived:
    """The events of one link, as they come."""

    def __init__(self) -> None:
        self._seen: list[Mapping[str, str]] = []
        self._arrived = asyncio.Event()

    def take(self, event: Mapping[str, str]) -> None:
        """Keep one, for the second that it matters for."""
        self._seen.append(event)
        del self._seen[:-1000]
        self._arrived.set()

    async def wait_for(self, wanted: Callable[[Mapping[str, str]], bool], deadline_s: float) -> bool:
        """Whether such an event has come, or comes in time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s):
                while not any(map(wanted, self._seen)):
                    self._arrived.clear()
                    await self._arrived.wait()
                return True
        return False


async def received_findings(
    ami: Ami, values: AsteriskValues, received: EventsReceived, username: str, new_uuid: Callable[[], UUID]
) -> AsyncIterator[Finding]:
    """Cause an event of each class, and read the filters that can be read."""
    arrived = await asyncio.gather(*(_class_received(name, ami, received, str(new_uuid())) for name in LOST))
    lacking = [name for name, did_arrive in zip(LOST, arrived, strict=True) if not did_arrive]
    for name in lacking:
        level, lost = LOST[name]
        yield Finding(
            level, "events", f"no events of class {name} arrive: {lost}",
            f"add {name} to the read line of manager user {username}, or take out the eventfilter that"
            " hides them; see dialplan/manager-emocx.conf, then: manager reload",
        )  # fmt: skip
    hidden = await _hidden(values, username) if not lacking else []
    if hidden:
        lost = "; ".join(LOST[kind][1] for kind in LOST if {*hidden} & {*NEEDED.get(kind, ())})
        yield Finding(
            "fail", "events", f"an eventfilter hides {', '.join(hidden)}: {lost}",
            f"correct the eventfilter lines of manager user {username}; see dialplan/manager-emocx.conf",
        )  # fmt: skip
    if not lacking and not hidden:
        yield Finding("ok", "events", "events of calls, agents and users arrive")


async def _class_received(name: str, ami: Ami, received: EventsReceived, mark: str) -> bool:
    """Cause an event of the class; True also where none can be caused."""
    try:
        match name:
            case "user":
                await ami.action("UserEvent", {"UserEvent": "EmocxCheck", "Mark": mark})
                return await received.wait_for(lambda e: e.get("Mark") == mark, ARRIVAL_S)
            case "agent":
                return await _agents_received(ami, received)
            case _:
                return await _channels_received(ami, received, f"emocx-check-{mark}")
    except RefusedError:
        return True  # a permission to write is missing, which is found elsewhere


async def _channels_received(ami: Ami, received: EventsReceived, uniqueid: str) -> bool:
    """A Local channel that leads to nobody is enough."""
    fields = {
        "Channel": "Local/nobody@emocx-check/n", "Application": "Wait", "Data": "1", "Async": "true",
        "ChannelId": uniqueid, "OtherChannelId": f"{uniqueid}-2", "Timeout": "1000",
    }  # fmt: skip
    await ami.action("Originate", fields)
    return await received.wait_for(
        lambda e: e.get("Event") == "Newchannel" and e.get("Uniqueid") == uniqueid, ARRIVAL_S
    )


async def _agents_received(ami: Ami, received: EventsReceived) -> bool:
    """Set a member's penalty to what it is already; there may be no member to do this with."""
    events = (await ami.action("QueueStatus", {})).events
    member = next((e for e in events if e.get("Event") == "QueueMember" and e.get("Location")), None)
    if member is None:
        return True
    interface = member["Location"]
    try:
        await ami.action(
            "QueuePenalty",
            {"Interface": interface, "Queue": member["Queue"], "Penalty": member.get("Penalty", "0")},
        )
    except PeerUnavailable:
        return True
    return await received.wait_for(
        lambda e: e.get("Event") == "QueueMemberPenalty" and interface in e.values(), ARRIVAL_S
    )


async def _hidden(values: AsteriskValues, username: str) -> list[str]:
    """Events that filters by regular expression hide, where manager.conf can be read (func_config)."""
    by_regex = await values.config("manager.conf", username, "eventfilter")
    found = []
    for kind, names in NEEDED.items():
        for name in names:
            if not passes(f"Event: {name}\r\nPrivilege: {kind},all\r\n", by_regex):
                found.append(name)
    return found


def passes(event: str, filters: list[str]) -> bool:
    """Whether an event passes eventfilter lines that are regular expressions.

    As configs/samples/manager.conf.sample has it: if there are lines that admit, one of them must match; if
    there are lines that begin with `!`, none of those may.
    """
    lets_in = [line for line in filters if not line.startswith("!")]
    keeps_out = [line[1:] for line in filters if line.startswith("!")]
    if lets_in and not any(_matches(line, event) for line in lets_in):
        return False
    return not any(_matches(line, event) for line in keeps_out)


def _matches(pattern: str, event: str) -> bool:
    try:
        return re.search(pattern.strip(), event) is not None
    except re.error:
        return False  # POSIX writes it differently: better no finding than a wrong one
