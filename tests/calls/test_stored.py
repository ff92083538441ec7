"""What is taken over of a call after a restart of ours."""

from __future__ import annotations

import pytest

from emocx_pbx.calls.stored import open_legs
from emocx_pbx.domain import Segment
from emocx_pbx.pbx.tracking.tracked import TrackedCall


def part(index: int, interface: str) -> Segment:
    return Segment("1.1", index, "somebody", interface, "care", "queue", started_at=3.0)


def legs(parts: list[Segment], **present: str) -> dict[str, int]:
    """Segments by the leg they are given to, with these channels beside the customer."""
    channels = [{"Uniqueid": "1.1", "Channel": "PJSIP/customer-00000001", "BridgeID": "b"}]
    channels += [{"Uniqueid": leg, "Channel": name, "BridgeID": "b"} for leg, name in present.items()]
    found = open_legs(TrackedCall("1.1", channels[0]["Channel"], 0.0), parts, channels)
    return {leg: segment.index for leg, segment in found.items()}


def test_in_a_conference_the_agent_is_who_has_his_interface() -> None:
    both = {"boss": "PJSIP/100-00000007", "agent": "PJSIP/201-00000002"}
    assert legs([part(0, "PJSIP/201")], **both) == {"agent": 0}


@pytest.mark.parametrize(
    ("interface", "channel"),
    [
        ("Local/201@from-queue/n", "Local/201@from-queue-00000003;1"),
        ("Local/201@from-queue", "PJSIP/201-00000002"),  # optimised away
        ("PJSIP/202", "Local/201@from-queue-00000003;1"),  # transferred behind the Local
        ("Agent/1001", "PJSIP/201-00000002"),
        ("PJSIP/201/sip:201@192.0.2.1", "PJSIP/201-00000002"),
    ],
)
def test_an_agent_behind_another_channel_keeps_his_part(interface: str, channel: str) -> None:
    assert legs([part(0, interface)], leg=channel) == {"leg": 0}


def test_an_agent_who_took_over_meanwhile_is_not_given_the_earlier_agents_segment() -> None:
    assert legs([part(0, "PJSIP/201")], leg="PJSIP/20-00000009") == {"gone-0": 0}
