"""Recordings that browsers can't play are turned into WAV, within bounds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from web.web_site import Site, open_site

from emocx_pbx.settings.settings import RecordingSettings, Settings
from emocx_pbx.web import playing
from emocx_pbx.web.playing import cannot_play, plays_as_it_is

AUDIO = Path(__file__).parents[1] / "data" / "audio"
AT = 1_790_000_000.0


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Site]:
    (tmp_path / "calls").mkdir()
    recordings = RecordingSettings(path=f"{tmp_path}/calls/{{call_id}}.*")
    site = await open_site(tmp_path, Settings(directory=str(tmp_path), recordings=recordings))
    await site.store.calls.start("17.1", AT, None, None, "support", None)
    await site.store.calls.end("17.1", AT + 20, "hangup")
    yield site
    await site.stop()
    await site.store.close()


def recorded(desk: Site, name: str, source: str) -> None:
    folder = Path(desk.settings.directory) / "calls"
    (folder / name).write_bytes((AUDIO / source).read_bytes())


@pytest.mark.parametrize(
    ("name", "source", "channels", "seconds"),
    [
        ("17.1.g722", "call.g722", 1, 14.0),
        ("17.1.raw", "mixmonitor-D-stereo.raw", 2, 6.0),
        ("17.1.wav", "data-size-0.wav", 1, 11.0),
    ],
)
async def test_headerless_and_unfinished_recordings_play(
    desk: Site, name: str, source: str, channels: int, seconds: float
) -> None:
    recorded(desk, name, source)
    browser = await desk.logged_in("supervisor")
    assert "<audio" in await browser.open("/calls/17.1")
    async with await browser.get("/calls/17.1/recording") as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "audio/wav"
        assert response.headers["Cache-Control"] == "private, no-store"
        whole = await response.read()
    samples, rate = soundfile.read(io.BytesIO(whole), always_2d=True)
    assert (samples.shape, rate) == ((seconds * 8000, channels), 8000)
    assert np.abs(samples).max() > 0.1
    for asked, first, last in (
        ("0-", 0, len(whole) - 1),
        ("100-299", 100, 299),
        ("90000-", 90000, len(whole) - 1),
    ):
        async with await browser.get(
            "/calls/17.1/recording", headers={"Range": f"bytes={asked}"}
        ) as response:
            assert response.status == 206
            assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(whole)}"
            assert await response.read() == whole[first : last + 1]
    for asked in (f"{len(whole)}-", "x-y", "-500"):
        async with await browser.get(
            "/calls/17.1/recording", headers={"Range": f"bytes={asked}"}
        ) as response:
            assert response.status == 416


async def test_what_can_not_be_played_is_said_with_its_remedy(desk: Site) -> None:
    recorded(desk, "17.1.siren7", "call.g722")
    browser = await desk.logged_in("supervisor")
    html = await browser.open("/calls/17.1")
    assert "<audio" not in html
    assert "file convert 17.1.siren7 17.1.sln16" in html
    async with await browser.get("/calls/17.1/recording") as response:
        assert response.status == 415


async def test_a_damaged_recording_is_an_answer_and_leaves_no_process(desk: Site) -> None:
    (Path(desk.settings.directory) / "calls" / "17.1.amr").write_bytes(b"#!AMR\n" + b"\xff" * 500)
    browser = await desk.logged_in("supervisor")
    async with await browser.get("/calls/17.1/recording") as response:
        assert response.status == 415


async def test_only_so_many_at_a_time(desk: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    recorded(desk, "17.1.g722", "call.g722")
    begun, go = asyncio.Semaphore(0), asyncio.Event()
    turned = playing._turned

    async def slowly(*args: object) -> object:
        begun.release()
        await go.wait()
        return await turned(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(playing, "_turned", slowly)
    browser = await desk.logged_in("supervisor")
    waiting = [asyncio.create_task(browser.get("/calls/17.1/recording")) for _ in range(playing.AT_ONCE)]
    for _ in waiting:
        await begun.acquire()
    async with await browser.get("/calls/17.1/recording") as response:
        assert (response.status, response.headers["Retry-After"]) == (503, "2")
    go.set()
    for task in waiting:
        async with await task as response:
            assert response.status == 200


def test_what_browsers_play_goes_out_as_it_is(tmp_path: Path) -> None:
    for subtype, as_it_is in (
        ("PCM_16", True),
        ("ULAW", True),
        ("ALAW", True),
        ("GSM610", False),
        ("MS_ADPCM", False),
    ):
        path = tmp_path / f"{subtype}.WAV"
        soundfile.write(path, np.zeros(8000), 8000, format="WAV", subtype=subtype)
        assert plays_as_it_is(path) is as_it_is
    for name, as_it_is in (
        ("a.mp3", True),
        ("a.m4a", True),
        ("a.webm", True),
        ("a.opus", True),
        ("a.gsm", False),
    ):
        (tmp_path / name).write_bytes(b"x")
        assert plays_as_it_is(tmp_path / name) is as_it_is


def test_without_pyav_the_remedy_names_no_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(playing, "find_spec", lambda name: None)
    said = cannot_play(Path("/srv/secret/17.1.g722"))
    assert said is not None
    assert "emocx-pbx[formats]" in said
    assert "secret" not in said
