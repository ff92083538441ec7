"""A call tapped live and its recording analysed by `emocx-pbx analyse` give the same readings."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
import soundfile
from pbx_stubs import AmiProbe

from emocx_pbx.audio.pcm import mulaw_roundtrip
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippCustomers

#: Silence before the speech, so that neither begins within it: the tap starts a moment after the call.
LEAD_S = 2.0
SPEECH_S = 40.0
TOLERANCE_S = 0.1


async def analysed(customer: Path, agent: Path, config: Path) -> list[dict[str, object]]:
    words = [sys.executable, "-m", "emocx_pbx.cli", "analyse", str(customer), str(agent)]
    words += ["--json", "--config", str(config)]
    process = await asyncio.create_subprocess_exec(
        *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    return list(json.loads(out)["readings"])


async def test_the_same_windows_and_emotions(
    pbx: PrivateAsterisk,
    probe: AmiProbe,
    service: ServiceProcess,
    crm: Receiver,
    speech: recordings.TwoSided,
    tmp_path: Path,
) -> None:
    said = speech.customer[: int(SPEECH_S * 8000)]
    customer = np.concatenate([np.zeros(int(LEAD_S * 8000), said.dtype), said])  # (n,)
    recordings.write_mulaw(tmp_path / "customer.ul", customer)
    soundfile.write(tmp_path / "customer.wav", mulaw_roundtrip(customer), 8000)
    # The agent's telephone plays from its answer on, which is the call's begin within 0.2 s.
    agent = speech.agent[: len(customer)]
    soundfile.write(tmp_path / "agent.wav", mulaw_roundtrip(agent), 8000)
    plan = CallPlan("route", customer="c-live", number="+491188")
    seconds = LEAD_S + SPEECH_S
    async with SippCustomers(pbx.sip_port, tmp_path / "customer.ul", [plan], hold_s=seconds) as customers:
        _, connected = await probe.event("AgentConnect", CallerIDNum="+491188")
        await customers.wait(seconds + 20)
    call_id = connected["Uniqueid"]
    await crm.wait(lambda: crm.of("call.ended", call_id), 20)
    live = [event.data for event in crm.of("call.reading", call_id)]
    recorded = await analysed(tmp_path / "customer.wav", tmp_path / "agent.wav", service.config)
    # The last window may be cut short by the hangup.
    count = min(len(live), len(recorded)) - 1
    assert count >= 4
    assert abs(len(live) - len(recorded)) <= 1
    begin = recorded[0]["t0"] - live[0]["t0"]
    pairs = list(zip(live[:count], recorded[:count], strict=True))
    # Frames that may be the agent's echo are left out; which ones depends on how the sides arrive.
    alike = sum(
        abs(h["t0"] + begin - r["t0"]) <= TOLERANCE_S and abs(h["t1"] + begin - r["t1"]) <= TOLERANCE_S
        for h, r in pairs
    )
    assert alike / count >= 0.5
    assert all(abs(h["t0"] + begin - r["t0"]) <= 1.5 for h, r in pairs)
    same = sum(h["emotion"] == r["emotion"] for h, r in zip(live[:count], recorded[:count], strict=True))
    assert same / count >= 0.75
