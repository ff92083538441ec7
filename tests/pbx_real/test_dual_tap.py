"""Two one-sided taps, as for an Asterisk without ChanSpy's option D, hear what one stereo tap hears."""

from __future__ import annotations

from pathlib import Path

import pytest
from pbx_stubs import AmiProbe, call_in

from emocx_pbx.demo.asterisk import PrivateAsterisk
from emocx_pbx.demo.receiver import Receiver
from emocx_pbx.demo.service import Hook, ServiceProcess

#: Call time to be heard; the recording has both sides speaking within it.
HEARD_S = 8.0


@pytest.mark.parametrize("tap", ["stereo", "dual", "customer"])
async def test_who_is_heard_by_mode(pbx: PrivateAsterisk, probe: AmiProbe, tmp_path: Path, tap: str) -> None:
    settings = {
        "asterisk": {"tap": tap},
        "analysis": {"speech_model": "off", "text_model": "off", "transcriber": "off"},
    }
    async with (
        Receiver() as crm,
        ServiceProcess(tmp_path, pbx, [Hook(crm.url, crm.secret)], settings),
    ):
        customer = await call_in(probe, "route", {"EMOCX_QUERY": "hello"})
        await probe.event("BridgeEnter", Uniqueid=customer.uniqueid)
        # The recording itself is the clock: it is over, and the customer hangs up, after HEARD_S.
        await probe.action(Action="AbsoluteTimeout", Channel=customer.channel, Timeout=str(int(HEARD_S)))
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), HEARD_S + 20)
    (graded,) = crm.of("call.graded", customer.uniqueid)
    facts = graded.data["grade"]["facts"]
    assert facts["customer_s"] > 1
    assert (facts["agent_s"] > 1) == (tap != "customer")
