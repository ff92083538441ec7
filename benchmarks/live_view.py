"""How smoothly the live view draws many calls: frames and long tasks in headless Chromium, and its lag.

    python -m benchmarks.live_view [--calls 200] [--seconds 20] [--json]

The real app serves the page and the feed; calls on its board get a reading every 3 seconds each, as from
speech, and some ring, end and raise alerts. Frames are counted by requestAnimationFrame in the page.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "web"))

from chromium import chromium
from web_site import CHEAP, PASSWORD, TEST, Site, open_site

from emocx_pbx.domain import Reading, Scores, Segment

#: Each call's customer gives a reading so often.
READING_S = 3.0

#: Counts frames and tasks over 50 ms, and how long after a reading's sending its chart changed.
WATCH = """() => {
  const seen = (window.seen = { frames: [], long: [], lags: [] });
  let last = performance.now();
  const frame = (t) => { seen.frames.push(t - last); last = t; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
  new PerformanceObserver((list) => list.getEntries().forEach((e) => seen.long.push(e.duration)))
    .observe({ entryTypes: ["longtask"] });
  new MutationObserver(() => seen.lags.push(Date.now() / 1000))
    .observe(document.querySelector("tr[data-call='probe'] .spark"), { attributes: true, subtree: true });
}"""


def _talks(site: Site, call_id: str, agent: str) -> None:
    board, now = site.live.board, time.time()
    board.queued(call_id, now - 60, "support")
    board.segment_opened(Segment(call_id, 0, agent, "PJSIP/1", "support", "queue", now - 50))


def _hears(site: Site, call_id: str, t1: float, chance: random.Random) -> None:
    scores = Scores.of([chance.random() ** 3 for _ in range(4)], 0.4)
    site.live.board.reading(call_id, Reading(t1 - READING_S, t1, READING_S, scores, "voice/1"))


async def measure(calls: int, seconds: float) -> dict[str, Any]:
    """Run it and return the figures."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        site = await open_site(Path(folder))
        try:
            await site.store.accounts.add_user("admin", "admin", None, CHEAP.hash(PASSWORD), TEST)
            names = ["probe", *(f"call-{n}" for n in range(calls - 1))]
            for n, name in enumerate(names):
                _talks(site, name, f"Agent {n}")
                for i in range(40):
                    _hears(site, name, READING_S * (i + 1), chance)
            async with chromium() as browser:
                page = await (await browser.new_context(viewport={"width": 1280, "height": 800})).new_page()
                await page.goto(f"{site.url}/login")
                await page.get_by_label("Name").fill("admin")
                await page.get_by_label("Password").fill(PASSWORD)
                await page.get_by_role("button", name="Log in").click()
                await page.locator("#talking tr").nth(calls - 1).wait_for()
                await page.evaluate(WATCH)
                sent = await _go_on(site, names, seconds, chance)
                await asyncio.sleep(1)
                seen = await page.evaluate("window.seen")
        finally:
            await site.stop()
            await site.store.close()
    frames = sorted(seen["frames"])
    lags = [1000 * (next((x for x in seen["lags"] if x >= at - 0.002), at + 9) - at) for at in sent]
    return {
        "calls": calls,
        "seconds": seconds,
        "readings_per_s": round(calls / READING_S, 1),
        "frame_ms_median": round(frames[len(frames) // 2], 1),
        "frame_ms_p95": round(frames[int(0.95 * len(frames))], 1),
        "frame_ms_max": round(frames[-1], 1),
        "long_tasks": len(seen["long"]),
        "long_task_ms_max": round(max(seen["long"], default=0.0), 1),
        "lag_ms_median": round(sorted(lags)[len(lags) // 2], 1),
        "lag_ms_max": round(max(lags), 1),
    }


async def _go_on(site: Site, names: list[str], seconds: float, chance: random.Random) -> list[float]:
    """Readings of all calls, spread over time; when the probe's were sent."""
    sent: list[float] = []
    begin, step = time.monotonic(), READING_S / len(names)
    for n in range(int(seconds / step)):
        name, t1 = names[n % len(names)], 120 + READING_S * (n // len(names) + 1)
        if name == "probe":
            sent.append(time.time())
        _hears(site, name, t1, chance)
        if chance.random() < 0.003:
            site.live.board.alert(name, "angry", "Signals of anger", time.time())
        if chance.random() < 0.01 and name != "probe":
            site.live.board.ended(name, time.time(), "hangup")
            _talks(site, name, f"Agent {n}")
        await asyncio.sleep(max(0.0, begin + (n + 1) * step - time.monotonic()))
    return sent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    found = asyncio.run(measure(args.calls, args.seconds))
    print(json.dumps(found) if args.json else "\n".join(f"{k:18} {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
