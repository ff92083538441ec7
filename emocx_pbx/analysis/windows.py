"""A call's two sides cut into utterances and the customer's windows: cheap, pure, deterministic.

The same samples give the same windows, in whatever pieces they come. Live taps and recorded files
both go through here; only then is a model asked.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from emocx_pbx.audio.echo_gate import EchoGate
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, Int16Array, to_float
from emocx_pbx.audio.repeats import COMPARED, Played
from emocx_pbx.audio.segmenter import Segmenter, SegmenterStep, Utterance
from emocx_pbx.audio.tones import ToneWatch
from emocx_pbx.audio.vad import FRAME, FRAME_S, VoiceActivity, level_db
from emocx_pbx.domain import Side, Span
from emocx_pbx.settings.settings import AnalysisSettings

#: Seconds after which earlier speech is not put in one window with what is said now.
MEMORY_S: Final = 12.0
#: Frames of speech that a phrase has at most (10 s), and at least: of less no words come out.
PHRASE_FRAMES: Final = 500
LEAST_PHRASE: Final = 25
#: Frames of speech between an early window and the one before it at the least (1 s), while an utterance goes
#: on.
LEAST_BETWEEN: Final = 50
#: More frames than any call has.
NEVER: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of the customer's speech, to be classified."""

    t0: float
    """Call time of the first sample."""
    t1: float
    """Call time of the end of the last sample."""
    speech_s: float
    """Seconds of speech; pauses between utterances are left out of `samples`."""
    samples: FloatArray
    """Shape (speech_s x 8000,)."""
    early: bool = False
    """Made between two others because an alert may be due."""


@dataclass(frozen=True, slots=True)
class Phrase:
    """What the customer said in one utterance, or in ten seconds of a longer one: to be transcribed."""

    t0: float
    """Call time of the first sample."""
    t1: float
    """Call time of the end of the last sample."""
    samples: Int16Array
    """Shape ((t1 - t0) x 8000,); where the agent's voice comes back in the customer's channel, silence."""


Item = Window | Phrase | Span


class CallSegmenter:
    """Voice activity of both sides, and the windows and phrases of the customer's.

    Tones, and the agent's voice where it comes back in the customer's channel, are no speech of the
    customer; what this call had before to the sample, as machines repeat it, makes no window. While the
    agent speaks as well, what the customer says settles up to 240 ms later.

    A window is due when an utterance has gone on for another `reading_interval_s`, and at an utterance's end
    when at least half of that has been heard since the last window; it holds the last `window_s` of
    speech. Counting from each utterance's start keeps two hearings of one call in step: a frame judged
    differently shifts the windows of its utterance, not those of the rest of the call. `read_early` asks for
    one more window, in between, which moves none of the others.

    Phrases are made where the settings want words: at an utterance's end, or after PHRASE_FRAMES of it.
    """

    def __init__(
        self, settings: AnalysisSettings, offset_s: float = 0.0, *, own_voice_only: bool = True
    ) -> None:
        """`offset_s` is the call time of the first sample.

        Without `own_voice_only` echoes and tones pass as speech: to measure what leaving them out is worth.
        """
        self._offset_s = offset_s
        self._vads = {side: VoiceActivity(settings.vad_aggressiveness) for side in ("customer", "agent")}
        self._segmenters: dict[Side, Segmenter] = {"customer": Segmenter(), "agent": Segmenter()}
        self._rest: dict[Side, list[Int16Array]] = {"customer": [], "agent": []}
        self._rest_samples = 0
        self._own_voice_only = own_voice_only
        self._tones = ToneWatch()
        self._echo = EchoGate()
        self._frames = 0
        """Frames taken so far; the customer's segmenter may be behind."""
        self._undecided: deque[tuple[int, Int16Array]] = deque()
        """Customer frames that may yet turn out to be speech."""
        self._speech: deque[tuple[int, Int16Array]] = deque(maxlen=max(1, round(settings.window_s / FRAME_S)))
        """The customer's latest speech."""
        self._interval = max(1, round(settings.reading_interval_s / FRAME_S))
        self._played = Played()
        self._together = min(COMPARED, self._speech.maxlen or COMPARED)
        self._unheard: list[tuple[int, Int16Array]] = []
        """Speech not compared yet with what was before."""
        self._fresh = 0
        """Frames of speech since the last window."""
        self._run = 0
        """The same, but only those of the utterance going on."""
        self._spoken = 0
        """Frames of speech so far."""
        self._read = _ReadTo(-1, 0)
        """What the last window, early or not, went up to."""
        self._early_at = NEVER
        """Frames of speech, counted from the call's first, that make an early window due."""
        self._wants_phrases = settings.words != "off"
        self._phrase: list[tuple[int, Int16Array]] = []
        """Speech of the utterance going on that is in no phrase yet."""
        self._flags: deque[bool] = deque()
        """Of frames in doubt: whether there was speech in them before the echo was taken out."""
        self._echoes: deque[int] = deque(maxlen=PHRASE_FRAMES)
        """Frames of the customer's channel in which the agent was heard."""

    @property
    def audio_s(self) -> float:
        """Seconds of audio fed so far."""
        return self._frames * FRAME_S + self._rest_samples / SAMPLE_RATE

    def feed(self, customer: Int16Array, agent: Int16Array) -> list[Item]:
        """Take the next samples of both sides, of equal length; what they settled, in order.

        Raises:
            ValueError: unequal lengths.
        """
        if len(customer) != len(agent):
            raise ValueError(f"{len(customer)} samples of the customer but {len(agent)} of the agent")
        self._rest["customer"].append(customer)
        self._rest["agent"].append(agent)
        self._rest_samples += len(customer)
        if self._rest_samples < FRAME:
            return []
        left, right = (self._joined(side) for side in ("customer", "agent"))
        whole = len(left) - len(left) % FRAME
        self._rest = {"customer": [left[whole:]], "agent": [right[whole:]]}
        self._rest_samples = len(left) - whole
        out: list[Item] = []
        for start in range(0, whole, FRAME):
            self._frame(left[start : start + FRAME], right[start : start + FRAME], out)
        return out

    def read_early(self, t1: float, speech_s: float) -> None:
        """Make an early window after so many seconds of speech, though not within LEAST_BETWEEN of one
        utterance; no effect unless the last window ended at `t1`, or if another is due sooner.
        """
        if frame_time(self._offset_s, self._read.frame + 1) == t1:
            self._early_at = self._read.spoken + early_frames(speech_s)

    def finish(self) -> list[Item]:
        """No more samples come: end what is open. The rest of a frame is dropped."""
        out: list[Item] = []
        self._settle("agent", self._segmenters["agent"].finish(), out)
        for speech in self._echo.finish():
            self._hear(speech, out)
        self._settle("customer", self._segmenters["customer"].finish(), out)
        return out

    def _joined(self, side: Side) -> Int16Array:
        parts = self._rest[side]
        return np.concatenate(parts) if len(parts) > 1 else parts[0]

    def _frame(self, left: Int16Array, right: Int16Array, out: list[Item]) -> None:
        """One frame of each side, shape (FRAME,)."""
        left_db, right_db = level_db(left), level_db(right)
        # Copies: views would keep the whole block they were cut from.
        left, right = left.copy(), right.copy()
        self._undecided.append((self._frames, left))
        self._frames += 1
        agent = self._vads["agent"].is_speech(right, right_db, left_db)
        customer = self._vads["customer"].is_speech(left, left_db, right_db)
        self._settle("agent", self._segmenters["agent"].push(agent), out)
        for speech in self._own(left, right, left_db, customer, agent):
            self._hear(speech, out)

    def _own(
        self, left: Int16Array, right: Int16Array, left_db: float, customer: bool, agent: bool
    ) -> list[bool]:
        """Flags of the customer's next frames without tones and echoes; none while they are in doubt."""
        if not self._own_voice_only:
            return [customer]
        tone = self._tones.is_tone(left, left_db, customer)
        self._flags.append(customer and not tone)
        return self._echo.push(left, right, left_db, customer and not tone, agent)

    def _hear(self, speech: bool, out: list[Item]) -> None:
        """The next frame of the customer, free of doubt."""
        segmenter = self._segmenters["customer"]
        if self._flags and self._flags.popleft() and not speech:
            self._echoes.append(segmenter.frames)
        self._settle("customer", segmenter.push(speech), out)

    def _settle(self, side: Side, step: SegmenterStep, out: list[Item]) -> None:
        if side == "customer":
            for index in step.speech:
                self._add_speech(index, out)
            oldest = self._segmenters["customer"].oldest_open
            while self._undecided and self._undecided[0][0] < oldest:
                self._undecided.popleft()
        if step.ended is not None:
            if side == "customer":
                self._compare()
                if 2 * self._fresh >= self._interval:
                    self._window(out)
                elif self._spoken >= self._early_at:
                    self._window(out, early=True)
                self._run = 0
                self._end_phrase(out)
            out.append(self._span(side, step.ended))

    def _add_speech(self, index: int, out: list[Item]) -> None:
        while self._undecided[0][0] < index:
            self._undecided.popleft()
        frame = self._undecided.popleft()[1]
        self._speech.append((index, frame))
        if self._own_voice_only:
            self._unheard.append(self._speech[-1])
            if len(self._unheard) >= self._together:
                self._compare()
        while index - self._speech[0][0] > MEMORY_S / FRAME_S:
            self._speech.popleft()
        self._spoken += 1
        self._fresh += 1
        self._run += 1
        if self._run >= self._interval:
            self._window(out)
        elif self._spoken >= max(self._early_at, self._read.spoken + LEAST_BETWEEN):
            self._window(out, early=True)
        if self._wants_phrases:
            self._phrase.append((index, frame))
            if len(self._phrase) >= PHRASE_FRAMES:
                self._end_phrase(out)

    def _end_phrase(self, out: list[Item]) -> None:
        """Make a phrase of what was said, unless it is too short or was played before."""
        said, self._phrase = self._phrase, []
        numbers = [number for number, _ in said]
        if len(said) >= LEAST_PHRASE and not self._played.most(numbers):
            samples = np.concatenate([frame for _, frame in said])
            out.append(spoken_phrase(self._offset_s, numbers, samples, self._echoes))

    def _window(self, out: list[Item], early: bool = False) -> None:
        """Make a window of what is remembered, unless most of it was forgotten in long silences."""
        if 2 * len(self._speech) < min(self._interval, self._speech.maxlen or 0):
            return
        self._early_at = NEVER
        if not early:
            self._fresh = self._run = 0
        self._compare()
        if self._played.most([number for number, _ in self._speech]):
            return
        first, last = self._speech[0][0], self._speech[-1][0]
        self._read = _ReadTo(last, self._spoken)
        samples = np.concatenate([frame for _, frame in self._speech])  # (speech frames x FRAME,)
        out.append(speech_window(self._offset_s, first, last, samples, early))

    def _compare(self) -> None:
        """Ask of the latest speech whether this call had it before."""
        fresh, self._unheard = self._unheard, []
        if fresh:
            samples = np.concatenate([frame for _, frame in fresh])
            self._played.hear([number for number, _ in fresh], samples)

    def _span(self, side: Side, utterance: Utterance) -> Span:
        return Span(side, self._time(utterance.first), self._time(utterance.last + 1))

    def _time(self, frame: int) -> float:
        return frame_time(self._offset_s, frame)


@dataclass(frozen=True, slots=True)
class _ReadTo:
    frame: int
    spoken: int
    """Frames of speech up to there."""


def speech_window(offset_s: float, first: int, last: int, samples: Int16Array, early: bool = False) -> Window:
    """A window of frames `first` to `last`, of which `samples` (n,) are the speech."""
    return Window(
        t0=frame_time(offset_s, first),
        t1=frame_time(offset_s, last + 1),
        speech_s=len(samples) / SAMPLE_RATE,
        samples=to_float(samples),
        early=early,
    )


def spoken_phrase(
    offset_s: float, numbers: Sequence[int], samples: Int16Array, echoes: Collection[int]
) -> Phrase:
    """A phrase of frames with these numbers, each one more than the last; samples (n,) are theirs."""
    frames = samples.reshape(-1, FRAME).copy()
    frames[np.isin(numbers, list(echoes))] = 0
    return Phrase(
        t0=frame_time(offset_s, numbers[0]),
        t1=frame_time(offset_s, numbers[-1] + 1),
        samples=frames.reshape(-1),
    )


def early_frames(speech_s: float) -> int:
    """Frames of speech after which a window wanted after so many seconds of it is made: surely more."""
    return math.floor(speech_s / FRAME_S) + 2


def frame_time(offset_s: float, frame: int) -> float:
    """Call time of a frame's start, free of the noise of adding fractions."""
    return round(offset_s + frame * FRAME_S, 6)
