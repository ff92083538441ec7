"""Who the agents are: what queues call them, and at which telephones they are. Pure.

Sources: QueueMember of the answer to QueueStatus, and the queue events. Asterisk leaves out Queue,
Interface and MemberName together when a member's name is not UTF-8 or is cut inside a letter (names
end after 79 bytes): such an event is completed from the members' list.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

_ENDPOINT = re.compile(r"^(?P<endpoint>.+?)(?:-[0-9a-f]{8})?(?:;[12])?$")
_LOCAL = re.compile(r"^(?:Local/|hint:)(?P<number>[^@/]+)@")
_NO_DIGIT = re.compile(r"[^0-9]")
#: A shorter number is an extension of the site's own; subscribers' are longer, and end alike however written
#: (0171 2345678, +49 171 2345678).
_SUBSCRIBER_DIGITS: Final = 7


def endpoint_of(channel: str) -> str:
    """The technology and endpoint of a channel's name: `PJSIP/201-0000002a` is `PJSIP/201`."""
    match = _ENDPOINT.match(channel)
    return match["endpoint"] if match else channel


def trunk_of(channel: str) -> str | None:
    """The endpoint that a caller came by; None for a channel that Asterisk made itself."""
    endpoint = endpoint_of(channel)
    return None if not endpoint or endpoint.startswith(("Local/", "AudioSocket/")) else endpoint


def telephone_of(interface: str) -> str:
    """The endpoint that a member's interface rings: without a dial string's options and address."""
    return "/".join(interface.split("/")[:2])


def variables_of(text: str) -> dict[str, str]:
    """Channel variables as Status answers them, `NAME=value` a line."""
    return dict(line.partition("=")[::2] for line in text.split("\n"))


def subscriber_of(number: str) -> str:
    """How a subscriber's number ends; empty for an extension, or for what is none."""
    digits = _NO_DIGIT.sub("", number)
    return digits[-_SUBSCRIBER_DIGITS:] if len(digits) >= _SUBSCRIBER_DIGITS else ""


@dataclass(frozen=True, slots=True)
class QueueMember:
    """A member as its queue knows it."""

    name: str
    interface: str


class AgentNames:
    """What agents are called (by their queues, or by the site's regular expression), and which telephones
    are agents'.
    """

    def __init__(self, pattern: re.Pattern[str] | None = None) -> None:
        self._pattern = pattern
        self._known: dict[str, str] = {}
        self._members: dict[tuple[str, str], QueueMember] = {}
        """By queue and telephone; the queue "" holds all."""
        self._telephones: set[str] = set()
        """Endpoints of members, never a Local channel's."""
        self._numbers: set[str] = set()
        """Extensions that Local members and hints stand for."""
        self._answered: set[str] = set()
        """Endpoints at which somebody was an agent: telephones, or trunks to agents elsewhere."""
        self._elsewhere: set[str] = set()
        """How the numbers end at which members are reached outside of the site, such as mobile telephones."""
        self._number: dict[str, str] = {}
        """The first subscriber that calls came from, by their endpoint."""
        self._trunks: set[str] = set()
        """Endpoints by which calls of several subscribers came."""

    @property
    def known(self) -> int:
        """How many telephones and numbers of agents are known; they are never forgotten."""
        return len(self._telephones) + len(self._numbers)

    def of_member(self, member: str, interface: str) -> str:
        """The agent that a queue's member is."""
        if self._pattern:
            for text in (member, interface):
                if match := self._pattern.search(text):
                    return match[1]
        return member or interface

    def of_endpoint(self, endpoint: str) -> str:
        """The agent at an endpoint, if a transfer says nothing else about them."""
        if known := self._known.get(endpoint):
            return known
        member = self.member("", endpoint)
        return self.of_member(member.name, member.interface) if member else self.of_member("", endpoint)

    def learn(self, interface: str, agent: str) -> None:
        """A queue told whose interface this is."""
        self._known[interface] = agent

    def met(self, event: Mapping[str, str]) -> str:
        """Take in an event that tells of a member; the agent. Empty if the event leaves the member out."""
        interface = event.get("Interface") or event.get("Location", "")
        if not interface:
            return ""
        name = event.get("MemberName") or event.get("Name", "")
        agent = self.of_member(name, interface)
        member, queue = QueueMember(name, interface), event.get("Queue", "")
        for one in (interface, event.get("StateInterface", "")):
            if not one:
                continue
            self.learn(one, agent)
            for key in (queue, ""):
                self._members[key, telephone_of(one)] = member
            if match := _LOCAL.match(one):
                self._numbers.add(match["number"])
                if elsewhere := subscriber_of(match["number"]):
                    self._elsewhere.add(elsewhere)
            elif "/" in one and one == telephone_of(one):
                # A dial string with an address may go through a trunk, by which customers come too.
                self._telephones.add(one)
                self._numbers.add(one.partition("/")[2])
        return agent

    def leaves_out(self, event: Mapping[str, str]) -> bool:
        """Whether an event does not name the member it is about, and we do not know it otherwise."""
        name = event.get("Event", "")
        if name not in {"AgentCalled", "QueueMemberAdded"} or event.get("Interface"):
            return False
        return name != "AgentCalled" or self.member("", event.get("DestChannel", "")) is None

    def met_variables(self, text: str, queue: str) -> None:
        """Take in MEMBERNAME and MEMBERINTERFACE of a channel that was connected."""
        said = variables_of(text)
        member = {"MemberName": said.get("MEMBERNAME", ""), "Interface": said.get("MEMBERINTERFACE", "")}
        self.met({**member, "Queue": queue})

    def member(self, queue: str, channel: str) -> QueueMember | None:
        """The queue's member (of any queue, if that is not known) whose telephone a channel is."""
        telephone = telephone_of(endpoint_of(channel))
        return self._members.get((queue, telephone)) or self._members.get(("", telephone))

    def answered(self, channel: str) -> None:
        """A channel was an agent's."""
        endpoint = endpoint_of(channel)
        if not endpoint.startswith("Local/"):
            self._answered.add(endpoint)

    def may_be_agent(self, channel: str, caller: str) -> bool:
        """Whether a caller may be an agent at a telephone that no queue names: a second line, say.

        The number is one at which a member is reached elsewhere, or the endpoint was an agent's. By a trunk
        to agents elsewhere customers may come, too: that is known as soon as two subscribers called by it.
        Extensions tell nothing, as several agents may share a desk.
        """
        endpoint, subscriber = endpoint_of(channel), subscriber_of(caller)
        if subscriber in self._elsewhere:
            return True
        if endpoint.startswith("Local/"):
            return False
        if subscriber and self._number.setdefault(endpoint, subscriber) != subscriber:
            self._trunks.add(endpoint)
        return endpoint in self._answered and endpoint not in self._trunks

    def rings_agent(self, channel: str) -> bool:
        """Whether a channel is the half of a Local one for which an agent's extension is rung.

        An agent who calls by a click in a CRM, for example, is behind it.
        """
        match = _LOCAL.match(channel)
        return match is not None and channel.endswith(";1") and match["number"] in self._numbers

    def is_agent(self, channel: str, caller: str = "") -> bool:
        """Whether a channel is of an agent's telephone, by its endpoint or the number it calls from."""
        endpoint = endpoint_of(channel)
        if endpoint.startswith("Local/"):
            return False  # it may carry anybody: who is behind it decides
        number = endpoint.partition("/")[2]
        return endpoint in self._telephones or number in self._numbers or caller in self._numbers
