"""A site with recorded calls whose windows can be reviewed."""

from __future__ import annotations

import math
import wave
from array import array
from pathlib import Path

from web.web_site import Site, open_site

from emocx_pbx.domain import Decision, Reading, Scores, Segment
from emocx_pbx.settings.recordings import RecordingSettings
from emocx_pbx.settings.settings import HttpSettings, PrivacySettings, Settings

#: What the model says of windows, in turn: an answer that is sure, and one that is not.
SAID = ((0.86, 0.06, 0.05, 0.03), (0.05, 0.85, 0.06, 0.04), (0.4, 0.3, 0.2, 0.1), (0.04, 0.1, 0.06, 0.8))
WINDOWS = 3


def settings_of(folder: Path) -> Settings:
    (folder / "calls").mkdir(exist_ok=True)
    return Settings(
        directory=str(folder),
        http=HttpSettings(open_to_this_machine=True),
        recordings=RecordingSettings(path=f"{folder}/calls/{{call_id}}.wav"),
        privacy=PrivacySettings(store_query_text=True),
    )


async def reviewed_site(folder: Path, calls: int = 12) -> Site:
    """A site with calls of three windows each, every one recorded, and as many queries."""
    site = await open_site(folder, settings_of(folder))
    for number in range(calls):
        await add_call(site, number)
    return site


async def add_call(site: Site, number: int, queue: str = "care", customer: str | None = None) -> str:
    store, at = site.store, site.clock() - 86_400 + 600 * number
    call_id, customer = f"{int(at)}.{number}", customer or f"crm-{number}"
    await store.calls.start(call_id, at, customer, f"+49301{number:05d}", queue, None)
    await store.calls.set_tapped(call_id, at + 12)
    await store.calls.save_segment(Segment(call_id, 0, "bob", "PJSIP/bob", queue, "queue", at + 11))
    readings = [
        Reading(2.0 + 5 * i, 5.5 + 5 * i, 3.0, Scores(SAID[(number + i) % 4], 0.45), "voice/5")
        for i in range(WINDOWS)
    ]
    await store.readings.add(call_id, readings)
    await store.calls.end(call_id, at + 60, "hangup")
    said = SAID[number % 4]
    scores = Scores(said, 0.45)
    decision = Decision(
        f"dec_{number}", at, "ok", queue, scores.emotion, scores.confidence, scores.as_dict(),
        upset=scores.upset,
    )  # fmt: skip
    await store.decisions.record(decision, call_id, customer, f"message {number}: where is my parcel?")
    tone(Path(site.settings.recordings.path.format(call_id=call_id)), 30)
    return call_id


def tone(path: Path, seconds: float) -> None:
    """A recording: a tone that rises second by second, so that one hears and tests where it is."""
    samples = array("h")
    for second in range(round(seconds)):
        pitch = 200 + 20 * second
        samples.extend(round(8000 * math.sin(math.tau * pitch * n / 8000)) for n in range(8000))
    with wave.open(str(path), "wb") as f:
        f.setparams((1, 2, 8000, 0, "NONE", ""))
        f.writeframes(samples.tobytes())
