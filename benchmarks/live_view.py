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

from chromium import chromium
from web.web_site import CHEAP, PASSWORD, TEST, open_site

from emocx_pbx.analysis.messages import ReadingMade, TapStarted
from emocx_pbx.calls.call_state import CallState
from emocx_pbx.calls.effects import Show
from emocx_pbx.calls.happenings import Happening
from emocx_pbx.calls.rules import Rules
from emocx_pbx.domain import Scores
from emocx_pbx.grading.rubric import load_rubric
from emocx_pbx.live.board import LiveBoard
from emocx_pbx.live.watch import watching
from emocx_pbx.pbx.tracking.changes import AgentJoined, CallEnded, CallStarted, QueueJoined

RULES = Rules(load_rubric())

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


class Calls:
    """Calls whose happenings reach the board as the journeys' do."""

    def __init__(self, board: LiveBoard, chance: random.Random) -> None:
        self._board, self._chance = board, chance
        self._watch = watching(board, time.time)
        self._calls: dict[str, CallState] = {}

    def _happens(self, happening: Happening, call_id: str) -> None:
        call = self._calls.setdefault(call_id, CallState(call_id, RULES))
        for effect in call.take(happening, time.time()):
            if isinstance(effect, Show):
                self._watch(effect.news, call)

    def talks(self, call_id: str, agent: str) -> None:
        """The customer waited and talks to an agent now."""
        now = time.time()
        self._happens(CallStarted(call_id, now - 60, "PJSIP/c-1", "support", ""), call_id)
        self._happens(QueueJoined(call_id, now - 60, "support", 1), call_id)
        joined = AgentJoined(call_id, now - 50, agent, agent, "PJSIP/1", "support", "queue")
        self._happens(joined, call_id)
        self._happens(TapStarted(call_id, call_id, now - 50), call_id)

    def hears(self, call_id: str, t1: float) -> None:
        """A reading of the customer's speech up to `t1`, seconds of the call."""
        scores = Scores.of([self._chance.random() ** 3 for _ in range(4)], 0.4)
        t0, probabilities = t1 - READING_S, scores.probabilities
        made = ReadingMade(call_id, call_id, t0, t1, READING_S, probabilities, 0.4, "voice/5")
        self._happens(made, call_id)

    def alarms(self, call_id: str) -> None:
        """A rule fires."""
        self._board.alert(call_id, "angry", "Signals of anger", time.time())

    def ends(self, call_id: str) -> None:
        """The customer hangs up; another call may have the id then."""
        self._happens(CallEnded(call_id, time.time(), "hangup"), call_id)
        del self._calls[call_id]


async def measure(calls: int, seconds: float) -> dict[str, Any]:
    """Run it and return the figures."""
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        site = await open_site(Path(folder))
        try:
            await site.store.accounts.add_user("admin", "admin", None, CHEAP.hash(PASSWORD), TEST)
            board = site.live.board
            assert isinstance(board, LiveBoard)
            calls_now = Calls(board, chance)
            names = ["probe", *(f"call-{n}" for n in range(calls - 1))]
            for n, name in enumerate(names):
                calls_now.talks(name, f"Agent {n}")
                for i in range(40):
                    calls_now.hears(name, READING_S * (i + 1))
            async with chromium() as browser:
                page = await (await browser.new_context(viewport={"width": 1280, "height": 800})).new_page()
                await page.goto(f"{site.url}/login")
                await page.get_by_label("Name").fill("admin")
                await page.get_by_label("Password").fill(PASSWORD)
                await page.get_by_role("button", name="Log in").click()
                await page.locator("#talking tr").nth(calls - 1).wait_for()
                await page.evaluate(WATCH)
                sent = await _go_on(calls_now, names, seconds, chance)
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


async def _go_on(calls: Calls, names: list[str], seconds: float, chance: random.Random) -> list[float]:
    """Readings of all calls, spread over time; when the probe's were sent."""
    sent: list[float] = []
    begin, step = time.monotonic(), READING_S / len(names)
    for n in range(int(seconds / step)):
        name, t1 = names[n % len(names)], 120 + READING_S * (n // len(names) + 1)
        if name == "probe":
            sent.append(time.time())
        calls.hears(name, t1)
        if chance.random() < 0.003:
            calls.alarms(name)
        if chance.random() < 0.01 and name != "probe":
            calls.ends(name)
            calls.talks(name, f"Agent {n}")
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
