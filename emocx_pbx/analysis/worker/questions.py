"""Understands questions: text from the chat or the dialplan, and speech from the IVR."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

import structlog

from emocx_pbx.analysis.messages import AnnounceListen, ClassifyText, ListenResult, TextResult
from emocx_pbx.analysis.worker.lane import Lane
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.audio.pcm import FloatArray
from emocx_pbx.domain import LineZero, Scores
from emocx_pbx.emotion.fusion import fuse
from emocx_pbx.emotion.zero import moved
from emocx_pbx.errors import PeerUnavailable

if TYPE_CHECKING:
    from emocx_pbx.emotion.text import TextReading

log = structlog.get_logger()

#: From the end of a spoken question to its result; what isn't known by then is left out. The dialplan
#: asks for the result right after the question ended, and waits about as long as for a text.
ANSWER_S: Final = 1.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found in a text; None or 0: nothing, or no model for it."""

    words: TextReading | None = None
    topic: str | None = None
    topic_confidence: float = 0.0


class Questions:
    """One worker's answers. Lanes of their own: a transcription must hold up neither texts nor taps."""

    def __init__(
        self,
        models: Models,
        voice: Lane,
        words: Lane,
        scribes: Sequence[Lane],
        count: Callable[[str], None],
    ) -> None:
        self._models, self._count = models, count
        self._voice, self._words, self._scribes = voice, words, scribes

    async def text(self, asked: ClassifyText) -> TextResult:
        """The answer to a text; without a text model or when it fails, one without probabilities."""
        try:
            found = await self._words.ask(lambda: self._read(asked.text))
        except PeerUnavailable as error:
            log.warning("text not classified", key="question.failed", why=str(error))
            self._count("questions_failed")
            return TextResult(asked.request_id, None, 0.0)
        scores = found.words.scores if found.words else None
        return TextResult(
            asked.request_id,
            scores.probabilities if scores else None,
            scores.threshold if scores else 0.0,
            found.topic,
            found.topic_confidence,
            found.words.language if found.words else None,
            found.words.foreign if found.words else False,
        )

    async def speech(
        self, asked: AnnounceListen, reason: str, samples: FloatArray, speech_s: float, early_s: float = 0.0
    ) -> ListenResult:
        """The answer to a spoken question; samples (n,) at 8 kHz, maybe none.

        It takes ANSWER_S at most, counted from `early_s` on: so much before its end is it asked.
        """
        if reason not in ("utterance", "limit") or not samples.size:
            return ListenResult(asked.uuid, asked.call_id, reason, None, None, 0.0, None, None)
        deadline = asyncio.get_running_loop().time() + early_s + ANSWER_S
        async with asyncio.TaskGroup() as group:
            hearing = group.create_task(self._until(deadline, self._hear(samples, asked.zeros)))
            reading = group.create_task(self._transcribe_and_read(deadline, samples))
        voice = hearing.result()
        text, found = reading.result()
        language = found.words.language if found.words else None
        foreign = found.words.foreign if found.words else False
        # Words in a language that the model does not know say nothing against the voice, and nothing for it.
        words = found.words.scores if found.words and (voice is None or not foreign) else None
        both = fuse(words, voice)
        return ListenResult(
            asked.uuid,
            asked.call_id,
            reason,
            text,
            both.probabilities if both else None,
            both.threshold if both else 0.0,
            voice.probabilities if voice else None,
            words.probabilities if words else None,
            found.topic,
            found.topic_confidence,
            round(speech_s, 2),
            language,
            foreign,
        )

    async def _transcribe_and_read(self, deadline: float, samples: FloatArray) -> tuple[str | None, _Found]:
        text = await self._until(deadline, self._transcribe(samples))
        if not text:
            return text, _Found()
        return text, await self._until(deadline, self._words.ask(lambda: self._read(text))) or _Found()

    async def _hear(self, samples: FloatArray, zeros: Sequence[LineZero]) -> Scores | None:
        model = self._models.speech
        if model is None:
            return None
        scores = await self._voice.ask(lambda: model.classify(samples))
        zero = next((z for z in zeros if z.model == model.name), None)
        if scores is None or zero is None:
            return scores
        return Scores.of(moved(scores.probabilities, zero.offsets), scores.threshold)

    async def _transcribe(self, samples: FloatArray) -> str | None:
        def work() -> str | None:
            # Asked in the lane: the transcriber may have been loading until just now.
            transcriber = self._models.transcriber
            return None if transcriber is None else transcriber.transcribe(samples)

        return await min(self._scribes, key=lambda lane: lane.asked).ask(work)

    def _read(self, text: str) -> _Found:
        """In the words lane's thread."""
        words = self._models.text.read(text) if self._models.text else None
        topic, confidence = self._models.topics.classify(text) if self._models.topics else (None, 0.0)
        return _Found(words, topic, float(confidence))

    async def _until(self, deadline: float, work: Awaitable[T]) -> T | None:
        """The work's result; None when it is late or fails."""
        try:
            async with asyncio.timeout_at(deadline):
                return await work
        except TimeoutError:
            log.warning("part of a question came too late", key="question.late")
        except PeerUnavailable as error:
            log.warning("part of a question failed", key="question.failed", why=str(error))
        self._count("questions_late_or_failed")
        return None
