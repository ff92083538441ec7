"""What a customer says in a tapped call is heard, and moves the reading; the words themselves are nowhere."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from pbx_real.pbx_stubs import AmiProbe

from emocx_pbx.demo.run import EVENTS
from emocx_pbx.emotion.transcribe import load_transcriber
from emocx_pbx.lab import recordings
from emocx_pbx.lab.asterisk import PrivateAsterisk
from emocx_pbx.lab.receiver import Receiver
from emocx_pbx.lab.service import Hook, ServiceProcess
from emocx_pbx.lab.sip import CallPlan, SippCustomers

COMPLAINT = Path(__file__).parents[1] / "data" / "audio" / "complaint.flac"
#: Words of it that no name, number or setting of ours has.
TELLING = re.compile(rb"charged twice|nobody answers", re.IGNORECASE)
#: The sentence is said this often, with a pause after each.
TIMES = 3
CALLS = 4
PAUSE_S = 1.5


@pytest.mark.parametrize("kept", [False, True], ids=["not kept", "kept"])
async def test_a_sentence_is_heard_and_moves_the_reading(
    pbx: PrivateAsterisk, probe: AmiProbe, crm: Receiver, tmp_path: Path, kept: bool
) -> None:
    assert load_transcriber("auto") is not None, "emocx-pbx models fetch speech-to-text"
    said = np.asarray(soundfile.read(COMPLAINT, dtype="int16")[0])
    pause = np.zeros(int(PAUSE_S * 8000), np.int16)
    # Louder each time: what comes again to the sample is a machine's.
    parts = [pause, *(p for n in range(TIMES) for p in ((said * (0.7 + 0.1 * n)).astype(np.int16), pause))]
    customer = np.concatenate(parts)
    recordings.write_mulaw(tmp_path / "customer.ul", customer)
    number = "+491177" if kept else "+491178"
    hook = Hook(crm.url, crm.secret, (*EVENTS, "reading.revised"))
    chosen: dict[str, dict[str, Any]] = {
        "analysis": {"words": "all", "speech_model": "cnn"},
        "privacy": {"store_words": kept},
    }
    async with ServiceProcess(tmp_path / "service", pbx, [hook], chosen) as service:
        await _hears(service)
        # On a busy machine words are the first to be left out: then the caller calls again.
        for _ in range(CALLS):
            call_id = await _call(pbx, probe, tmp_path / "customer.ul", number, len(customer) / 8000)
            await crm.wait(partial(crm.of, "call.ended", call_id), 30)
            if crm.of("reading.revised", call_id):
                break
        first = {(e.data["t0"], e.data["t1"]): e.data for e in crm.of("call.reading", call_id)}
        revised = [e.data for e in crm.of("reading.revised", call_id)]
    assert first
    assert revised, service.log()[-2000:]
    for each in revised:
        assert each["evidence"] == "both"
        assert each["voice"] is not None and each["words"] is not None
        assert each["probabilities"] != each["voice"]
    # It is a complaint: with the words it sounds more like one.
    moved = [r["upset"] - (r["voice"]["angry"] + r["voice"]["disappointed"]) for r in revised]
    heard = [r["words"]["angry"] + r["words"]["disappointed"] for r in revised]
    assert max(heard) > 0.4
    assert max(moved) > 0
    assert any((r["t0"], r["t1"]) in first for r in revised)
    # The words: in the one table that is for them, or nowhere.
    with sqlite3.connect(service.directory / "emocx.db") as database:
        texts = [text for (text,) in database.execute("SELECT text FROM said")]
        stored = database.execute("SELECT count(*) FROM reading WHERE words IS NOT NULL").fetchone()[0]
    assert stored >= 1
    assert bool(texts) is kept
    files = [p for p in service.directory.rglob("*") if p.is_file()]
    found = [p.name for p in files if TELLING.search(p.read_bytes())]
    assert all(name.startswith("emocx.db") for name in found) if kept else found == []
    assert not TELLING.search(service.log().encode())
    observed = b"".join(str(d.data).encode() for d in crm.deliveries)
    assert not TELLING.search(observed)


async def _call(pbx: PrivateAsterisk, probe: AmiProbe, sound: Path, number: str, seconds: float) -> str:
    """One call in which this is said; its id."""
    plan = CallPlan("route", customer="c-words", number=number)
    async with SippCustomers(pbx.sip_port, sound, [plan], hold_s=seconds) as customers:
        _, connected = await probe.event("AgentConnect", CallerIDNum=number)
        await customers.wait(seconds + 20)
    return str(connected["Uniqueid"])


async def _hears(service: ServiceProcess) -> None:
    """Until the scribe has its models: they load after the service is ready."""
    async with asyncio.timeout(90):
        while "scribe ready" not in service.log():  # noqa: ASYNC110
            await asyncio.sleep(0.2)
