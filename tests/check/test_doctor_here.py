"""The doctor on this machine, with one thing wrong at a time: found, with its remedy, in time."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from check.here_cases import CASES
from check.here_makers import Here

from emocx_pbx.check.check import check
from emocx_pbx.check.needs import memory_finding
from emocx_pbx.check.ports import port_findings
from emocx_pbx.pbx.agi.answers import CHECK_ANSWER
from emocx_pbx.pbx.agi.server import AgiServer
from emocx_pbx.pbx.audiosocket.server import AudioPort, AudioServer
from emocx_pbx.settings.settings import (
    AgiSettings,
    AnalysisSettings,
    AsteriskSettings,
    HttpSettings,
    Settings,
)

LONGEST_S = 10.0


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Nothing is wrong but that there is no Asterisk."""
    return Settings(
        asterisk=AsteriskSettings(port=1, secret="s"),
        agi=AgiSettings(port=0),
        http=HttpSettings(port=0),
        analysis=AnalysisSettings(base_port=0, speech_model="off", text_model="off", transcriber="off"),
        directory=str(tmp_path),
        file=str(tmp_path / "emocx.toml"),
    )


async def test_a_machine_in_order_has_nothing_wrong(settings: Settings) -> None:
    findings = await check(settings)
    assert [f.topic for f in findings if f.level == "fail"] == ["asterisk"]
    assert findings[0].what == f"read from {settings.file}"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
async def test_each_is_found_with_its_remedy(case: Here, settings: Settings, tmp_path: Path) -> None:
    with case.make(settings, tmp_path) as changed:
        began = time.monotonic()
        findings = await check(changed)
        took = time.monotonic() - began
    found = [f for f in findings if f.topic == case.topic and case.finds in f.what]
    assert [f.level for f in found] == [case.level], findings
    assert case.remedy in found[0].remedy
    assert took < LONGEST_S


async def test_our_own_service_is_no_stranger(settings: Settings) -> None:
    async def answer(request: object) -> dict[str, str]:
        return dict(CHECK_ANSWER)

    agi = AgiServer(AgiSettings(port=0, deadline_s=1.0), answer)
    audio = AudioServer(AudioPort("127.0.0.1", 0, 1.0, 1.0), lambda uuid: None)
    await agi.start()
    await audio.start()
    try:
        settings = Settings(
            agi=AgiSettings(port=agi.port),
            http=HttpSettings(port=0),
            analysis=AnalysisSettings(base_port=audio.port),
        )
        found = [f async for f in port_findings(settings)]
    finally:
        await audio.stop()
        await agi.stop()
    assert [(f.level, f.what) for f in found] == [
        ("ok", "2 ports can be listened on, 2 by the running service")
    ]


async def test_a_program_that_talks_is_a_stranger(settings: Settings) -> None:
    async def banner(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\0\0\0 220 mail.example ESMTP\r\n")
        writer.close()

    server = await asyncio.start_server(banner, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        found = [
            f
            async for f in port_findings(
                Settings(
                    agi=AgiSettings(port=0),
                    http=HttpSettings(port=0),
                    analysis=AnalysisSettings(base_port=port),
                )
            )
        ]
    finally:
        server.close()
    assert [f.level for f in found] == ["fail"] and "another program" in found[0].what


@pytest.mark.parametrize(
    ("free_kb", "workers", "level"), [(8_000_000, 2, "ok"), (500_000, 1, "warn"), (1_000_000, 4, "warn")]
)
def test_memory(free_kb: int, workers: int, level: str) -> None:
    text = f"MemTotal:       16000000 kB\nMemAvailable:   {free_kb} kB\n"
    assert memory_finding(workers, text).level == level
    assert memory_finding(workers, "").level == "ok"
