"""Spoken questions that come together are transcribed side by side."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from uuid import UUID

import numpy as np
import pytest

from emocx_pbx.analysis.messages import AnnounceListen
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.analysis.worker.questions import Questions
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.errors import EmocxError

DEADLINE_S = 10.0


class Together:
    """Answers only when so many are transcribed at once; fails when they are not."""

    name = "together/1"

    def __init__(self, number: int) -> None:
        self._barrier = threading.Barrier(number, timeout=DEADLINE_S)

    def transcribe(self, samples: FloatArray) -> str:
        try:
            self._barrier.wait()
            return "together"
        except threading.BrokenBarrierError:
            raise EmocxError("alone") from None

    phrase = transcribe


@pytest.fixture
async def lanes() -> AsyncIterator[list[Lane]]:
    lanes = [Lane(name, 8, lambda name: None) for name in ("voice", "words", "scribe", "scribe")]
    running = [asyncio.create_task(lane.run()) for lane in lanes]
    yield lanes
    for lane in lanes:
        lane.close()
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)


async def test_two_questions_are_transcribed_at_once(lanes: list[Lane]) -> None:
    voice, words, *scribes = lanes
    questions = Questions(Models(transcriber=Together(2)), voice, words, scribes, pytest.fail)
    said = np.ones(8000, np.float32)
    answers = await asyncio.gather(
        *(
            questions.speech(AnnounceListen(str(UUID(int=n)), str(n)), "utterance", said, 1.0, DEADLINE_S)
            for n in range(6)
        )
    )
    assert {answer.text for answer in answers} == {"together"}
