"""Who can hear whom: bridges, and the Local channels that join two of them into one conversation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

#: Channels that are nobody: our taps, announcers and recorders of conferences, snoops, stand-ins.
NOBODY = ("AudioSocket/", "CBAnn/", "CBRec/", "Announcer/", "Recorder/", "Snoop/", "Surrogate/")
#: Who waits in one of these (parking, AgentLogin) hears nobody.
HOLDING = "holding_bridge"


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody in a conversation."""

    uniqueid: str
    channel: str
    local: str | None = None
    """Uniqueid of the Local channel between, if there is one; of the one nearest to the asker."""
    bare: bool = False
    """A Local channel whose other half is in no bridge: nobody, or an application."""


def is_nobody(channel: str) -> bool:
    """Whether a channel's name is that of no person's."""
    return channel.startswith(NOBODY)


def other_half(channel: str) -> str | None:
    """The name of a Local channel's other half; None for any other channel."""
    if not channel.startswith("Local/") or channel[-2:] not in {";1", ";2"}:
        return None
    return channel[:-1] + ("2" if channel.endswith("1") else "1")


class Bridges:
    """All bridges and their members, in the order in which they came."""

    def __init__(self) -> None:
        self._members: dict[str, dict[str, str]] = {}
        """Bridge to its members: Uniqueid to channel name."""
        self._where: dict[str, str] = {}
        """Uniqueid to bridge."""
        self._halves: dict[str, str] = {}
        """Name of a bridged Local channel to its Uniqueid."""
        self._answered: set[str] = set()
        """Names of Local channels whose dialling was answered."""

    def restart(self, channels: Iterable[Mapping[str, str]] = ()) -> None:
        """Know nothing but what the answers to the AMI action Status say."""
        self._members, self._where, self._halves, self._answered = {}, {}, {}, set()
        for channel in channels:
            if bridge := channel.get("BridgeID"):
                self.enter(bridge, channel.get("Uniqueid", ""), channel.get("Channel", ""))

    def enter(self, bridge: str, uniqueid: str, channel: str) -> None:
        """A channel joined a bridge."""
        if is_nobody(channel):
            return
        self._members.setdefault(bridge, {})[uniqueid] = channel
        self._where[uniqueid] = bridge
        if other_half(channel):
            self._halves[channel] = uniqueid

    def answered(self, channel: str) -> None:
        """Somebody answered whom this channel dialled.

        The other half of a Local channel may join the customer before this one joins who answered: whoever
        that is, a colleague who picked it up perhaps, will show. Nor is anybody there when they have gone.
        """
        if other_half(channel):
            self._answered.add(channel)

    def gone(self, channel: str) -> None:
        """A channel was hung up."""
        self._answered.discard(channel)

    def leave(self, bridge: str, uniqueid: str) -> None:
        """A channel left a bridge."""
        members = self._members.get(bridge, {})
        channel = members.pop(uniqueid, "")
        if not members:
            self._members.pop(bridge, None)
        if self._where.get(uniqueid) == bridge:
            del self._where[uniqueid]
            self._halves.pop(channel, None)

    def linked_to(self, uniqueid: str) -> set[str]:
        """Uniqueids of all channels in a channel's conversation, Local ones between too."""
        bridge = self._where.get(uniqueid)
        return self.linked(bridge) if bridge else set()

    def beyond(self, channel: str) -> str | None:
        """Uniqueid of a Local channel's other half, if that is in a bridge."""
        return self._halves.get(other_half(channel) or "")

    def connected_with(self, uniqueid: str) -> list[Party]:
        """Everybody in conversation with a channel, across Local channels; longest there first."""
        bridge = self._where.get(uniqueid)
        return self._walk(bridge, uniqueid, None, set()) if bridge else []

    def linked(self, bridge: str) -> set[str]:
        """Uniqueids of all channels that a change in this bridge may concern."""
        return set(self._linked(bridge))

    def linked_names(self, bridge: str) -> list[str]:
        """Names of the same."""
        return list(self._linked(bridge).values())

    def _linked(self, bridge: str) -> dict[str, str]:
        found: dict[str, str] = {}
        seen: set[str] = set()
        waiting = [bridge]
        while waiting:
            one = waiting.pop()
            if one in seen:
                continue
            seen.add(one)
            for uniqueid, channel in self._members.get(one, {}).items():
                found[uniqueid] = channel
                if (far := self.beyond(channel)) is not None:
                    waiting.append(self._where[far])
        return found

    def _walk(self, bridge: str, asker: str, local: str | None, seen: set[str]) -> list[Party]:
        seen.add(bridge)
        found: list[Party] = []
        for uniqueid, channel in self._members.get(bridge, {}).items():
            if uniqueid == asker:
                continue
            if not other_half(channel):
                found.append(Party(uniqueid, channel, local))
                continue
            nearest = local or uniqueid
            far = self.beyond(channel)
            if far is None and other_half(channel) in self._answered:
                continue
            if far is None:
                found.append(Party(uniqueid, channel, nearest, bare=True))
            elif self._where[far] not in seen:
                found += self._walk(self._where[far], far, nearest, seen)
        return found
