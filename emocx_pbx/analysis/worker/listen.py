"""The IVR's spoken query: listens until the caller has said it, frees the caller at once, then interprets
it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import numpy as np

from emocx_pbx.analysis.messages import AnnounceListen
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array, from_slin, to_float
from emocx_pbx.audio.segmenter import Segmenter, State
from emocx_pbx.audio.vad import FRAME, FRAME_S, VoiceActivity, level_db
from emocx_pbx.errors import ProtocolError
from emocx_pbx.pbx.audiosocket.session import AudioSession
from emocx_pbx.settings.settings import AnalysisSettings

#: Audio kept from before the first word.
BEFORE_S: Final = 0.3
#: How often the clock is looked at; audio alone can't tell that no audio comes.
TICK_S: Final = 0.1
#: When audio stops coming, a question that has begun ends so much later than by silence in it.
STALL_S: Final = 0.5
#: After so much silence (s) a pause may be the question's end, and is understood as such meanwhile: as long
#: as what ends an utterance; sooner while more than FEW callers speak, who may all wait for one core.
PAUSE_S: Final = 0.4
SHORT_PAUSE_S: Final = 0.2
FEW: Final = 3
#: No setting makes a question longer than this; the memory is bounded by it.
LONGEST_S: Final = 60.0


def pause_s(callers: int) -> float:
    """After how much silence a pause is understood while so many callers are listened to."""
    return PAUSE_S if callers <= FEW else SHORT_PAUSE_S


class QuestionListener(Protocol):
    """What is done with a question."""

    def paused(self, asked: AnnounceListen, samples: FloatArray, speech_s: float) -> None:
        """A pause that may turn out to be the end; of its silence samples (n,) have SHORT_PAUSE_S."""

    def resumed(self, asked: AnnounceListen) -> None:
        """It was not the end."""

    def finished(self, asked: AnnounceListen, reason: str, samples: FloatArray, speech_s: float) -> None:
        """It is over, and our 0x00 is sent; once. If it paused and did not go on, with what was said then."""


class Listen:
    """One IVR caller's connection (a SessionHandler)."""

    def __init__(
        self,
        announced: AnnounceListen,
        settings: AnalysisSettings,
        understands: QuestionListener,
        callers: Callable[[], int],
        now: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            announced: the caller's announcement.
            settings: the section [analysis].
            understands: told of pauses and the end.
            callers: how many are listened to now.
            now: the clock that audio is stamped by.
        """
        self.announced = announced
        self.session: AudioSession | None = None
        self._settings, self._understands, self._now = settings, understands, now
        self._callers = callers
        self._has_paused = False
        """The present silence was told as a pause."""
        self._vad = VoiceActivity(settings.vad_aggressiveness)
        self._segmenter = Segmenter()
        self._rest = np.zeros(0, np.int16)
        self._frames: deque[Int16Array] = deque(maxlen=round(BEFORE_S / FRAME_S))
        self._question: list[Int16Array] = []
        """Frames from just before the first word on; empty until then."""
        self._speech_frames = 0
        self._silent_frames = 0
        """Frames since the last one of speech."""
        self._opened_at = self._began_at = self._spoke_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._over = False

    # SessionHandler.

    def started(self, session: AudioSession, at: float) -> None:
        """The caller is on the line."""
        self.session = session
        self._opened_at = at
        self._tick()

    def audio(self, pcm: bytes, rate: int, at: float) -> None:
        """Audio came.

        Raises:
            ProtocolError: another rate than 8 kHz; it ends the connection.
        """
        if rate != SAMPLE_RATE:
            raise ProtocolError(f"a question at {rate} Hz; expected {SAMPLE_RATE}")
        samples = np.concatenate([self._rest, from_slin(pcm)])
        whole = len(samples) - len(samples) % FRAME
        self._rest = samples[whole:].copy()
        for start in range(0, whole, FRAME):
            if self._over:
                return
            self._frame(samples[start : start + FRAME].copy(), at)

    def dtmf(self, digit: str, at: float) -> None:
        """A key in place of words is the dialplan's business."""

    def ended(self, reason: str, at: float) -> None:
        """The connection is over, by us or by the caller."""
        self.session = None
        faulty = reason.startswith(("malformed", "handler"))
        self._finish("error" if faulty else "hangup")

    # Inside.

    def _frame(self, frame: Int16Array, at: float) -> None:
        step = self._segmenter.push(self._vad.is_speech(frame, level_db(frame)))
        if self._question:
            self._question.append(frame)
        else:
            self._frames.append(frame)
        if step.speech:
            if not self._question:
                self._question = list(self._frames)
                self._began_at = at
            self._speech_frames += len(step.speech)
        if self._segmenter.state is State.SPEAKING:
            self._spoke_at = at
            self._silent_frames = 0
            if self._has_paused:
                self._has_paused = False
                self._understands.resumed(self.announced)
        else:
            self._silent_frames += 1
            self._pause()
        if self._question and self._silent_frames * FRAME_S >= self._settings.listen_silence_s:
            self._finish("utterance")
        elif len(self._question) * FRAME_S >= LONGEST_S:
            self._finish("limit")
        else:
            self._check(at)

    def _pause(self) -> None:
        silent_s = round(self._silent_frames * FRAME_S, 2)
        if self._question and not self._has_paused and silent_s >= pause_s(self._callers()):
            self._has_paused = True
            self._understands.paused(self.announced, self._said(), self._speech_s)

    def _tick(self) -> None:
        self._check(self._now())
        if not self._over:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _check(self, now: float) -> None:
        """End what has gone on for too long by the clock."""
        if not self._question:
            if now - self._opened_at >= self._settings.listen_start_s:
                self._finish("silence")
        elif now - self._began_at >= self._settings.listen_max_s:
            self._finish("limit")
        elif now - self._spoke_at >= self._settings.listen_silence_s + STALL_S:
            self._finish("utterance")

    def _finish(self, reason: str) -> None:
        if self._over:
            return
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        # The caller goes on at once; what they said is understood while the dialplan asks for it.
        if self.session is not None:
            self.session.end("question heard")
        samples = self._said()
        self._question = []
        self._understands.finished(self.announced, reason, samples, self._speech_s)

    def _said(self) -> FloatArray:
        """What is to be understood: the same after whatever pause, so that no answer depends on others."""
        silence = max(0, self._silent_frames - round(SHORT_PAUSE_S / FRAME_S))
        frames = self._question[: max(0, len(self._question) - silence)]
        return to_float(np.concatenate(frames)) if frames else np.zeros(0, np.float32)

    @property
    def _speech_s(self) -> float:
        return self._speech_frames * FRAME_S
