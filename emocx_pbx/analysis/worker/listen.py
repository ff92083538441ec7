"""The IVR's question: listen until the caller has said it, free the caller at once, then understand it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

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
#: No setting makes a question longer than this; the memory is bounded by it.
LONGEST_S: Final = 60.0


class Listen:
    """One IVR caller's connection (a SessionHandler)."""

    def __init__(
        self,
        announced: AnnounceListen,
        settings: AnalysisSettings,
        paused: Callable[[AnnounceListen, FloatArray, float], None],
        finished: Callable[[AnnounceListen, str, FloatArray, float], None],
        now: Callable[[], float],
    ) -> None:
        """Prepare.

        Args:
            announced: the caller's announcement.
            settings: the section [analysis].
            paused: told samples (n,) and speech_s at each pause that may turn out to be the end.
            finished: told reason, samples and speech_s exactly once, after our 0x00. When nothing was said
                since the last pause, its speech_s is the same.
            now: the clock that audio is stamped by.
        """
        self.announced = announced
        self.session: AudioSession | None = None
        self._settings, self._paused, self._finished, self._now = settings, paused, finished, now
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
        if step.ended and self._question:
            self._paused(self.announced, self._said(), self._speech_s)
        if self._segmenter.state is State.SPEAKING:
            self._spoke_at = at
            self._silent_frames = 0
        else:
            self._silent_frames += 1
        if self._question and self._silent_frames * FRAME_S >= self._settings.listen_silence_s:
            self._finish("utterance")
        elif len(self._question) * FRAME_S >= LONGEST_S:
            self._finish("limit")
        else:
            self._check(at)

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
        self._finished(self.announced, reason, samples, self._speech_s)

    def _said(self) -> FloatArray:
        return to_float(np.concatenate(self._question)) if self._question else np.zeros(0, np.float32)

    @property
    def _speech_s(self) -> float:
        return self._speech_frames * FRAME_S
