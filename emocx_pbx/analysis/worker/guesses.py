"""Interprets a spoken query at each pause, as if it were its end: if it is, the answer is ready sooner.

Of ten callers who end at one moment the last one's question waits for nine others. So its understanding
begins before it is certain that it is over, and is thrown away when the caller goes on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

import msgspec

from emocx_pbx.analysis.messages import AnnounceListen, ListenResult
from emocx_pbx.audio.pcm import FloatArray


class Understand(Protocol):
    """`Questions.speech`."""

    async def __call__(
        self, asked: AnnounceListen, reason: str, samples: FloatArray, speech_s: float, early_s: float = 0.0
    ) -> ListenResult:
        """The answer to a question; samples (n,)."""


class Guesses:
    """One worker's; told by each caller's `Listen` (a QuestionListener)."""

    def __init__(
        self,
        understand: Understand,
        silence_s: float,
        answered: Callable[[AnnounceListen, Awaitable[ListenResult]], None],
    ) -> None:
        """Prepare.

        Args:
            understand: makes the answer of a question.
            silence_s: how much silence ends a question.
            answered: told once of each question that is over, with its answer to be.
        """
        self._understand, self._silence_s, self._answered = understand, silence_s, answered
        self._guesses: dict[str, asyncio.Task[ListenResult]] = {}

    def paused(self, asked: AnnounceListen, samples: FloatArray, speech_s: float) -> None:
        """Begin to understand it."""
        self.resumed(asked)
        work = self._understand(asked, "utterance", samples, speech_s, self._silence_s)
        self._guesses[asked.uuid] = asyncio.get_running_loop().create_task(work)

    def resumed(self, asked: AnnounceListen) -> None:
        """The guess was wrong: discard it."""
        guess = self._guesses.pop(asked.uuid, None)
        if guess is not None:
            guess.cancel()

    def finished(self, asked: AnnounceListen, reason: str, samples: FloatArray, speech_s: float) -> None:
        """It is over: the guess was right, or it is understood now."""
        guess = self._guesses.pop(asked.uuid, None)
        if guess is None or reason != "utterance":
            if guess is not None:
                guess.cancel()
            self._answered(asked, self._understand(asked, reason, samples, speech_s))
        else:
            self._answered(asked, _with_speech(guess, speech_s))


async def _with_speech(guess: Awaitable[ListenResult], speech_s: float) -> ListenResult:
    """The answer; how long the caller spoke is known only at the end."""
    return msgspec.structs.replace(await guess, speech_s=round(speech_s, 2))
