"""A call tapped live, and MixMonitor's recording of it under `emocx-pbx analyse`, give the same readings."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import numpy as np
from pbx_real.pbx_stubs import AmiProbe

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
    await pbx.cli("module load app_mixmonitor.so")
    plan = CallPlan("route", customer="c-live", number="+491188")
    seconds = LEAD_S + SPEECH_S
    async with SippCustomers(pbx.sip_port, tmp_path / "customer.ul", [plan], hold_s=seconds) as customers:
        _, connected = await probe.event("AgentConnect", CallerIDNum="+491188")
        # Both sides as this Asterisk had them: when the agent's telephone began is not known outside of it.
        spool = f"{pbx.config.directory}/spool"
        begun = await probe.action(
            Action="MixMonitor", Channel=connected["Channel"], File=f"{spool}/both.wav",
            Options=f"r({spool}/customer.wav)t({spool}/agent.wav)",
        )  # fmt: skip
        assert begun["Response"] == "Success", begun
        await customers.wait(seconds + 20)
    call_id = connected["Uniqueid"]
    await crm.wait(lambda: crm.of("call.ended", call_id), 20)
    live = [event.data for event in crm.of("call.reading", call_id)]
    spool_here = pbx.directory / "spool"
    recorded = await analysed(spool_here / "customer.wav", spool_here / "agent.wav", service.config)
    # The last window may be cut short by the hangup.
    count = min(len(live), len(recorded)) - 1
    assert count >= 4
    assert abs(len(live) - len(recorded)) <= 1
    # The tap began before the recording, by a time that all windows share.
    begin = float(np.median([r["t1"] - h["t1"] for h, r in zip(live, recorded, strict=False)]))
    pairs = list(zip(live[:count], recorded[:count], strict=True))
    alike = [all(abs(h[t] + begin - r[t]) <= TOLERANCE_S for t in ("t0", "t1")) for h, r in pairs]
    assert np.mean(alike) >= 0.95, [(h["t0"] + begin, r["t0"], h["t1"] + begin, r["t1"]) for h, r in pairs]
    assert np.mean([h["emotion"] == r["emotion"] for h, r in pairs]) >= 0.95
