"""How late the words of many calls at once are known."""

from __future__ import annotations

import asyncio
import random
import statistics
from collections.abc import Sequence
from typing import Any

import numpy as np

from benchmarks.spoken_messages import Spoken
from benchmarks.words.messages import WORDS, phrases_of
from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.windows import Phrase
from emocx_pbx.analysis.worker.scribe import Scribe
from emocx_pbx.settings.settings import LogSettings


async def lag(messages: Sequence[Spoken], calls: int, seconds: float, seed: int) -> dict[str, Any]:
    """Phrases of so many calls, at random times, through a scribe's process: how late words are known."""
    counters: dict[str, int] = {}

    def count(name: str) -> None:
        counters[name] = counters.get(name, 0) + 1

    phrases = [p for spoken in messages for p in phrases_of(spoken)[0]]
    mean_s = statistics.mean(p.t1 - p.t0 for p in phrases)
    rng, loop = random.Random(seed), asyncio.get_running_loop()
    scribe = Scribe(WorkerConfig(settings=WORDS, log=LogSettings(level="error")), count)
    owner = asyncio.create_task(scribe.run())
    found: list[asyncio.Future[float | None]] = []
    try:
        async with asyncio.timeout(180):
            await scribe.ready.wait()
        end = loop.time() + seconds
        while loop.time() < end:
            # A customer speaks 40 % of a call.
            await asyncio.sleep(rng.expovariate(0.4 * calls / mean_s))
            found.append(_timed(scribe, str(rng.randrange(calls)), rng.choice(phrases)))
        lags = [s for s in await asyncio.gather(*found) if s is not None]
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)
    return {
        "calls": calls,
        "phrases": len(found),
        "phrase_s": round(mean_s, 2),
        "counters": counters,
        "lag_p50_s": round(float(np.quantile(lags, 0.5)), 3) if lags else None,
        "lag_p95_s": round(float(np.quantile(lags, 0.95)), 3) if lags else None,
    }


def _timed(scribe: Scribe, call_id: str, phrase: Phrase) -> asyncio.Future[float | None]:
    """Seconds from a phrase's end to what its words say; None: nothing came of it."""
    loop = asyncio.get_running_loop()
    begun, result = loop.time(), loop.create_future()
    scribe.put(
        call_id, phrase, lambda answer: result.set_result(None if answer is None else loop.time() - begun)
    )
    return result
