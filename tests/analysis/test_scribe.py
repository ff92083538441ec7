"""The worker's side of the scribe: bounds, deadlines, and a scribe that hangs, dies, is slow or useless."""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np

from emocx_pbx.analysis.config import WorkerConfig
from emocx_pbx.analysis.windows import Phrase
from emocx_pbx.analysis.worker.scribe import Limits, Scribe
from emocx_pbx.analysis.worker.scribe_messages import Understood
from emocx_pbx.settings.settings import AnalysisSettings

STUB = Path(__file__).parent / "stub_scribe.py"
QUICK = Limits(queue=3, latest_s=5.0, answer_s=5.0, stuck_s=10.0, start_s=60.0, first_pause_s=0.01)
ANGRY, SILENT, DEADLY, HANGING, SLOW = 1, 2, 3, 4, 5


def phrase(kind: int) -> Phrase:
    return Phrase(0.0, 0.02, np.full(160, kind, np.int16))


class Asked:
    """What came of phrases."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.observed: list[tuple[str, Understood | None]] = []
        self._news = asyncio.Event()

    def count(self, name: str) -> None:
        self.counts[name] += 1
        self._news.set()

    def of(self, name: str) -> Callable[[Understood | None], None]:
        def observed(answer: Understood | None) -> None:
            self.observed.append((name, answer))
            self._news.set()

        return observed

    async def wait(self, number: int) -> None:
        await self._until(lambda: len(self.observed) >= number)

    async def counted(self, name: str) -> None:
        await self._until(lambda: self.counts[name] > 0)

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not true():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def scribe(
    behaviour: str = "well", limits: Limits = QUICK, *, store_words: bool = False
) -> AsyncIterator[tuple[Scribe, Asked]]:
    asked = Asked()
    command = (sys.executable, str(STUB), behaviour)
    one = Scribe(
        WorkerConfig(settings=AnalysisSettings(words="all"), store_words=store_words),
        asked.count,
        command,
        limits,
    )
    owner = asyncio.create_task(one.run())
    try:
        if behaviour != "none":
            async with asyncio.timeout(60):
                await one.ready.wait()
        yield one, asked
    finally:
        owner.cancel()
        await asyncio.gather(owner, return_exceptions=True)


async def test_hears_phrases_in_order() -> None:
    async with scribe() as (one, asked):
        for name in "abc":
            one.put("1.1", phrase(SILENT if name == "b" else ANGRY), asked.of(name))
        await asked.wait(3)
        assert [name for name, _ in asked.observed] == ["a", "b", "c"]
        assert [bool(answer and answer.probabilities) for _, answer in asked.observed] == [True, False, True]
        assert all(answer and answer.text is None for _, answer in asked.observed)
        assert asked.counts == {"words_heard": 2, "words_none": 1}


async def test_words_come_only_where_they_are_kept() -> None:
    async with scribe(store_words=True) as (one, asked):
        one.put("1.1", phrase(ANGRY), asked.of("a"))
        await asked.wait(1)
        assert asked.observed[0][1] is not None and asked.observed[0][1].text == "charged twice"


async def test_the_oldest_goes_when_too_many_wait() -> None:
    async with scribe() as (one, asked):
        for name in "abcde":
            one.put("1.1", phrase(ANGRY), asked.of(name))
        # Nothing ran meanwhile: the queue holds three.
        assert [name for name, answer in asked.observed if answer is None] == ["a", "b"]
        await asked.wait(5)
        assert [name for name, answer in asked.observed if answer] == ["c", "d", "e"]
        assert asked.counts["words_dropped"] == 2


async def test_what_waited_too_long_is_let_go() -> None:
    limits = Limits(latest_s=0.2, answer_s=5.0, stuck_s=10.0, start_s=60.0)
    async with scribe(limits=limits) as (one, asked):
        one.put("1.1", phrase(SLOW), asked.of("a"))
        one.put("1.1", phrase(ANGRY), asked.of("b"))
        await asked.wait(2)
        assert asked.observed[1] == ("b", None)
        assert asked.counts["words_late"] == 1


async def test_a_slow_answer_counts_as_none_and_the_next_one_comes() -> None:
    limits = Limits(latest_s=30.0, answer_s=0.1, stuck_s=30.0, start_s=60.0)
    async with scribe(limits=limits) as (one, asked):
        one.put("1.1", phrase(SLOW), asked.of("a"))
        await asked.wait(1)
        assert asked.observed == [("a", None)]
        assert asked.counts["words_slow"] == 1
        assert asked.counts["words_restarts"] == 0


async def test_one_that_dies_is_started_again() -> None:
    async with scribe() as (one, asked):
        one.put("1.1", phrase(DEADLY), asked.of("a"))
        one.put("1.1", phrase(ANGRY), asked.of("b"))
        await asked.wait(2)
        assert asked.observed == [("a", None), ("b", None)]
        async with asyncio.timeout(60):
            await one.ready.wait()
        one.put("1.1", phrase(ANGRY), asked.of("c"))
        await asked.wait(3)
        assert asked.observed[2][1] is not None
        assert asked.counts["words_restarts"] == 1


async def test_one_that_hangs_is_stopped_and_started_again() -> None:
    limits = Limits(answer_s=0.1, stuck_s=0.3, start_s=60.0, first_pause_s=0.01)
    async with scribe(limits=limits) as (one, asked):
        one.put("1.1", phrase(HANGING), asked.of("a"))
        await asked.wait(1)
        assert asked.observed == [("a", None)]
        await asked.counted("words_restarts")
        async with asyncio.timeout(60):
            await one.ready.wait()


async def test_without_models_nothing_is_heard_and_nothing_waits() -> None:
    async with scribe("none") as (one, asked):
        await asked.counted("words_no_models")
        one.put("1.1", phrase(ANGRY), asked.of("a"))
        assert asked.observed == [("a", None)]
        assert one.problem == "speech-to-text: missing"


async def test_without_time_nothing_is_heard() -> None:
    async with scribe() as (one, asked):
        one.put("1.1", phrase(ANGRY), asked.of("a"))
        one.allow(False)
        one.put("1.1", phrase(ANGRY), asked.of("b"))
        assert asked.observed == [("a", None), ("b", None)]
        one.allow(True)
        one.put("1.1", phrase(ANGRY), asked.of("c"))
        await asked.wait(3)
        assert asked.observed[2][1] is not None


async def test_a_call_that_opts_out_is_not_heard() -> None:
    async with scribe() as (one, asked):
        one.put("1.1", phrase(ANGRY), asked.of("a"))
        one.put("2.2", phrase(ANGRY), asked.of("b"))
        one.forget("1.1")
        assert asked.observed == [("a", None)]
        await asked.wait(2)
        assert asked.observed[1][0] == "b" and asked.observed[1][1] is not None
