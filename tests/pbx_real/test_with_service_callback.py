"""The service calls a customer back into the queue chosen for his query."""

from __future__ import annotations

import aiohttp
import pytest
from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.demo.run import QUERIES
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import ServiceProcess


async def test_a_chat_query_with_a_number_is_called_back(
    pbx: PrivateAsterisk, probe: AmiProbe, service: ServiceProcess, crm: Receiver
) -> None:
    body = {
        "text": QUERIES[0],
        "customer": "c-chat",
        "callback_number": "+49 30 1234567",
        "default_queue": "support",
    }
    url = f"{service.url}/api/v1/queries"
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as response:
        assert response.status in (200, 202), await response.text()
    telephone = f"customer/sip:+49301234567@127.0.0.1:{pbx.agent_port}"
    await probe.event("DialBegin", DialString=telephone)
    _, connected = await probe.event("AgentConnect", 10)
    assert connected["Queue"] == "care"
    assert await probe.variable(connected["Channel"], "QUEUE_PRIO") == "10"
    await probe.action(Action="Hangup", Channel=connected["Channel"])
    await crm.wait(lambda: crm.of("call.ended", connected["Uniqueid"]), 20)


FAR = """
[far]
exten => busy,1,Busy(1)
exten => silent,1,Ringing()
 same => n,Wait(0.3)
 same => n,Hangup(19)
"""


@pytest.mark.parametrize(
    ("prefix", "outcome"),
    [("Local/busy@far/n\\;", "busy"), ("Local/silent@far/n\\;", "no-answer"), ("", "failed")],
)
async def test_whoever_asked_for_a_callback_is_told_what_became_of_it(
    pbx: PrivateAsterisk,
    probe: AmiProbe,
    service: ServiceProcess,
    crm: Receiver,
    prefix: str,
    outcome: str,
) -> None:
    await pbx.add_dialplan(FAR)
    await pbx.cli(f'dialplan set global EMOCX_CALLBACK_PREFIX "{prefix}"')
    number = f"+49 30 12346{len(outcome)}"  # one number is not called twice in a row
    body = {"text": "hello", "callback_number": number, "default_queue": "support"}
    before = len(crm.of("call.ended"))
    try:
        async with aiohttp.ClientSession() as session:
            async with session.post(f"{service.url}/api/v1/queries", json=body) as response:
                answer = await response.json()
            await crm.wait(lambda: len(crm.of("call.ended")) > before, 20)
            ended = crm.of("call.ended")[-1].data
            async with session.get(f"{service.url}/api/v1/calls/{ended['call_id']}") as found:
                call = await found.json()
    finally:
        await pbx.cli("dialplan set global EMOCX_CALLBACK_PREFIX PJSIP/customer/sip:")
    assert (response.status, "EMOCX_CALLBACK_PREFIX" in str(answer)) == (
        (202, False) if prefix else (502, True)
    )
    assert (ended["callback"], ended["disposition"], ended["visits"]) == (outcome, outcome, [])
    assert (call["call"]["callback"], call["call"]["disposition"]) == (outcome, outcome)


@pytest.mark.parametrize("number", ["1", "123456789012345678", "abc", "1234@evil", "+"])
async def test_nothing_but_a_telephone_number_is_dialled(
    pbx: PrivateAsterisk, probe: AmiProbe, number: str
) -> None:
    before = len(probe.events)
    await probe.action(
        Action="Originate",
        Channel=f"Local/{number}@emocx-callback/n",
        ChannelId=f"callback-{number}",
        Application="Wait",
        Data="1",
        Timeout="3000",
    )
    await pbx.cli("core show version")
    assert not [e for _, e in probe.events[before:] if "sip:" in e.get("DialString", "")]
