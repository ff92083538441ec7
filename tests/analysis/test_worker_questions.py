"""Questions to a real worker process: texts, and speech in the IVR."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import numpy as np
import numpy.typing as npt
import pytest
from analysis.analysis_helpers import Asterisk, Inbox, announce_listen

from emocx_pbx.analysis.messages import ListenResult, Ready
from emocx_pbx.analysis.pool import WorkerLost, WorkerPool
from emocx_pbx.domain import Scores
from emocx_pbx.emotion.fusion import fuse
from emocx_pbx.errors import PeerUnavailable

Samples = npt.NDArray[np.int16]
Call = tuple[Samples, Samples]


async def listen(pool: WorkerPool, inbox: Inbox, uuid: UUID, samples: Samples) -> ListenResult:
    worker = announce_listen(pool, uuid, "call-1")
    caller = await Asterisk.connect(worker.port, uuid)
    await caller.play(samples)
    kinds = await caller.until_end()
    assert kinds[-1] == 0x00 and set(kinds[:-1]) <= {0x10}
    return (await inbox.until(lambda: inbox.of(ListenResult)))[0]


async def test_a_text(pool: WorkerPool) -> None:
    result = await pool.classify_text("I am angry", 5.0)
    assert result.probabilities == pytest.approx((0.7, 0.1, 0.1, 0.1))
    assert (result.threshold, result.topic, result.topic_confidence) == (0.4, "billing", 0.9)


async def test_many_texts_at_once(pool: WorkerPool) -> None:
    texts = ["I am angry" if n % 3 == 0 else "hello" for n in range(60)]
    results = await asyncio.gather(*(pool.classify_text(text, 5.0) for text in texts))
    best = [
        result.probabilities.index(max(result.probabilities)) for result in results if result.probabilities
    ]
    assert best == [0 if n % 3 == 0 else 1 for n in range(60)]


async def test_a_model_that_hangs_costs_its_question(pool: WorkerPool) -> None:
    with pytest.raises(PeerUnavailable, match=r"within 0\.2 s"):
        await pool.classify_text("hang", 0.2)


async def test_a_model_that_breaks_answers_without_probabilities(pool: WorkerPool) -> None:
    assert (await pool.classify_text("break", 5.0)).probabilities is None
    assert (await pool.classify_text("I am angry", 5.0)).probabilities is not None


async def test_a_worker_that_dies_over_a_question(pool: WorkerPool, inbox: Inbox) -> None:
    with pytest.raises(PeerUnavailable, match="died"):
        await pool.classify_text("die", 5.0)
    await inbox.until(lambda: pool.ready)
    assert (await pool.classify_text("I am angry", 5.0)).probabilities is not None
    assert inbox.of(WorkerLost) == [WorkerLost(0, ())]


async def test_without_a_worker_the_answer_comes_at_once(make_pool: Callable[..., WorkerPool]) -> None:
    pool = make_pool()
    with pytest.raises(PeerUnavailable, match="no analysis worker is ready"):
        await pool.classify_text("hello", 5.0)


async def test_a_missing_model_is_told_and_the_rest_works(
    make_pool: Callable[..., WorkerPool], inbox: Inbox
) -> None:
    pool = make_pool(text_model="missing")
    assert await pool.start()
    assert inbox.of(Ready)[0].text_model is None
    assert inbox.of(Ready)[0].problems == ["text model: no text model 'missing'"]
    assert (await pool.classify_text("I am angry", 5.0)).probabilities is None
    ready = (await inbox.until(lambda: [r for r in inbox.of(Ready) if r.transcriber]))[0]
    assert (ready.speech_model, ready.transcriber) == ("loud/1", "stub/1")


async def test_a_spoken_question(pool: WorkerPool, inbox: Inbox, uuid: UUID, call: Call) -> None:
    said = call[0][: round(2.78 * 8000)]
    silence = np.zeros(16000, np.int16)
    heard = await listen(pool, inbox, uuid, np.concatenate([silence[:4000], said, silence]))
    assert (heard.reason, heard.text, heard.topic) == ("utterance", "I am angry", "billing")
    assert heard.words == pytest.approx((0.7, 0.1, 0.1, 0.1))
    assert heard.voice is not None and heard.voice[1] > heard.voice[0] > 0
    both = fuse(Scores(heard.words), Scores(heard.voice)) if heard.words else None
    assert both is not None and heard.probabilities == pytest.approx(both.probabilities)
    assert heard.threshold == 0.4
    assert heard.speech_s == pytest.approx(2.7, abs=0.5)


async def test_a_caller_who_goes_on_after_a_pause(
    pool: WorkerPool, inbox: Inbox, uuid: UUID, call: Call
) -> None:
    """A pause of 0.6 s ends an utterance but not the question: what follows is heard as well."""
    said = call[0][: round(2.0 * 8000)]
    pause, silence = np.zeros(4800, np.int16), np.zeros(16000, np.int16)
    heard = await listen(pool, inbox, uuid, np.concatenate([said, pause, said, silence]))
    assert heard.reason == "utterance"
    assert heard.speech_s == pytest.approx(4.0, abs=0.6)
    assert heard.voice is not None


async def test_a_caller_who_says_nothing(pool: WorkerPool, inbox: Inbox, uuid: UUID) -> None:
    heard = await listen(pool, inbox, uuid, np.zeros(800, np.int16))
    assert (heard.reason, heard.text, heard.probabilities, heard.speech_s) == ("silence", None, None, 0.0)


async def test_a_caller_who_does_not_stop(
    make_pool: Callable[..., WorkerPool], inbox: Inbox, uuid: UUID, call: Call
) -> None:
    pool = make_pool(listen_max_s=0.5, listen_silence_s=30.0)
    assert await pool.start()
    heard = await listen(pool, inbox, uuid, call[0][: 3 * 8000])
    assert heard.reason == "limit"
    assert heard.probabilities is not None


async def test_a_caller_who_hangs_up(pool: WorkerPool, inbox: Inbox, uuid: UUID, call: Call) -> None:
    worker = announce_listen(pool, uuid, "call-1")
    caller = await Asterisk.connect(worker.port, uuid)
    await caller.play(call[0][:8000])
    await caller.hang_up()
    heard = (await inbox.until(lambda: inbox.of(ListenResult)))[0]
    assert (heard.reason, heard.text) == ("hangup", None)
    assert not worker.uuids


async def test_a_text_in_a_language_that_the_model_does_not_know(pool: WorkerPool) -> None:
    result = await pool.classify_text("ich bin wütend", 5.0)
    assert (result.language, result.foreign) == ("de", True)
    assert (await pool.classify_text("I am angry", 5.0)).language == "en"
