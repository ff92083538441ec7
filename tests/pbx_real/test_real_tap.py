"""A stereo tap of a real SIP call: both sides, apart, without touching the call."""

from __future__ import annotations

import uuid
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pbx_real.pbx_stubs import AmiProbe, StubAudio

from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import Installation, PrivateAsterisk
from emocx_pbx.lab.sip import CallPlan, SippAgents, SippCustomers

#: Frequencies with a whole number of periods in a second.
CUSTOMER_HZ, AGENT_HZ = 440, 1010


def tone(path: Path, hz: int) -> Path:
    t = np.arange(10 * 8000) / 8000
    return recordings.write_mulaw(path, (8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16))


def power(samples: npt.NDArray[np.int16], hz: int) -> float:
    """Power at one frequency, by correlation with it."""
    t = np.arange(len(samples)) / 8000
    return float(np.abs(np.mean(samples * np.exp(-2j * np.pi * hz * t))) ** 2) + 1e-9


async def test_the_two_sides_are_more_than_40_db_apart(installation: Installation, tmp_path: Path) -> None:
    """Also a second Asterisk beside the session's one."""
    customer, agent = tone(tmp_path / "customer.ul", CUSTOMER_HZ), tone(tmp_path / "agent.ul", AGENT_HZ)
    async with (
        PrivateAsterisk(installation) as pbx,
        AmiProbe().connected(pbx.ami_port, "emocx", pbx.secret) as probe,
        SippAgents(pbx.agent_port, agent, answer_s=0.05),
        SippCustomers(pbx.sip_port, customer, [CallPlan("queue-care")], hold_s=5) as customers,
        StubAudio(enough_bytes=3 * 32000).running() as ear,
    ):
        _, connected = await probe.event("AgentConnect")
        tap = str(uuid.uuid4())
        await probe.action(
            Action="Originate",
            Channel=f"AudioSocket/127.0.0.1:{ear.port}/{tap}/c(slin)",
            Application="ChanSpy",
            Data=f"{connected['Uniqueid']},uDqsSE",
            ChannelId=f"emocx-tap-{tap}",
            Timeout="5000",
            Async="true",
        )
        await probe.event("ChanSpyStart")
        await probe.event("Hangup", Uniqueid=connected["Uniqueid"])
        await customers.wait(5)
    assert ear.uuid == tap
    assert ear.sizes == {640}
    sides = np.frombuffer(bytes(ear.audio), "<i2").reshape(-1, 2)[
        8000:24000
    ]  # (n, 2), the second and third second
    left, right = sides[:, 0].astype(np.int16), sides[:, 1].astype(np.int16)
    for loud, quiet, hz in ((left, right, CUSTOMER_HZ), (right, left, AGENT_HZ)):
        assert 10 * np.log10(power(loud, hz) / power(quiet, hz)) > 40
