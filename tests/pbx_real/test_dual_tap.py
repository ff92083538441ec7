"""Two one-sided taps, as for an Asterisk without ChanSpy's option D, hear what one stereo tap hears."""

from __future__ import annotations

from pathlib import Path

import pytest
from pbx_real.pbx_stubs import AmiProbe, call_in

from emocx_pbx.analysis.windows import CallSegmenter
from emocx_pbx.domain import Span
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.settings.settings import AnalysisSettings


def both_spoke_s(speech: recordings.TwoSided) -> int:
    """Whole seconds of a recording after which either side has said something long enough, and a margin."""
    segmenter = CallSegmenter(AnalysisSettings())
    found = [*segmenter.feed(speech.customer, speech.agent), *segmenter.finish()]
    long = [item for item in found if isinstance(item, Span) and item.t1 - item.t0 > 2]
    return 3 + int(max(min(s.t1 for s in long if s.side == side) for side in ("customer", "agent")))


@pytest.mark.parametrize("tap", ["stereo", "dual", "customer"])
async def test_who_is_heard_by_mode(
    pbx: PrivateAsterisk, probe: AmiProbe, speech: recordings.TwoSided, tmp_path: Path, tap: str
) -> None:
    heard_s = both_spoke_s(speech)
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
        # The recording itself is the clock: when both have spoken, the customer hangs up.
        await probe.action(Action="AbsoluteTimeout", Channel=customer.channel, Timeout=str(heard_s))
        await crm.wait(lambda: crm.of("call.ended", customer.uniqueid), heard_s + 20)
    (graded,) = crm.of("call.graded", customer.uniqueid)
    facts = graded.data["grade"]["facts"]
    assert facts["customer_s"] > 1
    assert (facts["agent_s"] > 1) == (tap != "customer")
