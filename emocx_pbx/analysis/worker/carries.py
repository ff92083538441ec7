"""How many calls this machine carries: a few windows and some audio of many calls, timed at a worker's start.

An estimate for planning servers: the cost of a call is measured here and now; how much of a call its customer
speaks is assumed.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from emocx_pbx.analysis.budget import TARGET
from emocx_pbx.analysis.call_bank import CallBank
from emocx_pbx.analysis.pipeline import Classifier
from emocx_pbx.analysis.worker.models import Models, syllables
from emocx_pbx.audio.pcm import SAMPLE_RATE, FloatArray, from_float
from emocx_pbx.audio.vad import FRAME
from emocx_pbx.settings.settings import AnalysisSettings

#: Share of a call in which the customer speaks.
SPOKEN: Final = 0.4
#: What reading sockets, answering them and telling of utterances costs beside the work on the audio
#: (`python -m benchmarks.worker_capacity`, under a profiler: 0.3 of 0.85 ms a second).
SOCKETS: Final = 1.5
#: Effort is foreseen for a core that has this much more time than was measured: the rest shows.
GENEROUS: Final = 1.5
#: Calls whose audio is taken in together, and frames that each has at once: as from sockets.
CALLS: Final = 50
AT_ONCE: Final = 5
TURNS: Final = 10
#: Windows that each model reads.
ACCURATE: Final = 3
LIGHT: Final = 10


@dataclass(frozen=True, slots=True)
class Carries:
    """Calls at once on one core at the load that is aimed at, and what they rest on (CPU ms)."""

    accurate: int
    """With the accurate model for every window; 0: there is none."""
    light: int
    """With the light model alone; 0: there is none."""
    intake_ms: float
    """Of a second of one call's audio."""
    accurate_ms: float
    """Of a window read by the accurate model."""
    light_ms: float
    """Of a window read by the light one."""
    windows_s: float
    """Windows of a call, a second."""

    def effort(self, calls: int) -> float:
        """What `Budget.effort` so many calls leave time for, 0 to 2: rather too much than too little."""
        if calls < 1 or not self.accurate_ms:
            return 2.0
        left = 1000 * TARGET * GENEROUS / calls - self.intake_ms
        per_window = left / self.windows_s  # ms for each window
        if not self.light_ms:
            return min(2.0, max(0.0, 2 * per_window / self.accurate_ms))
        if per_window < self.light_ms:
            return max(0.0, per_window / self.light_ms)
        return min(2.0, 1 + (per_window - self.light_ms) / max(1e-3, self.accurate_ms - self.light_ms))


def measure(models: Models, settings: AnalysisSettings) -> Carries:
    """Time this thread at it: a fifth of a second on a present core."""
    samples = syllables(settings.window_s)
    windows_s = SPOKEN / settings.reading_interval_s
    intake_ms = SOCKETS * _intake_ms(settings)
    accurate_ms, light_ms = (
        _window_ms(models.speech, samples, ACCURATE),
        _window_ms(models.light, samples, LIGHT),
    )
    accurate, light = (
        int(1000 * TARGET / (intake_ms + windows_s * ms)) if ms else 0 for ms in (accurate_ms, light_ms)
    )
    return Carries(accurate, light, round(intake_ms, 3), round(accurate_ms, 2), round(light_ms, 2), windows_s)


def _window_ms(model: Classifier | None, samples: FloatArray, times: int) -> float:
    """CPU of a window; 0.0 without a model."""
    if model is None:
        return 0.0
    begun = time.thread_time()
    for _ in range(times):
        model.classify(samples)
    return 1000 * (time.thread_time() - begun) / times


def _intake_ms(settings: AnalysisSettings) -> float:
    """CPU of a second of a call's audio, in the bank of calls."""
    bank = CallBank(settings, CALLS)
    rows = [bank.open() for _ in range(CALLS)]
    # The customer speaks for two parts of five, the agent in the others.
    seconds = TURNS * AT_ONCE * FRAME / SAMPLE_RATE
    speech = from_float(syllables(seconds))
    spoken = np.arange(len(speech)) < SPOKEN * len(speech)
    pairs = np.stack([np.where(spoken, speech, 0), np.where(spoken, 0, speech)], axis=1).astype("<i2")
    size = AT_ONCE * FRAME
    begun = time.thread_time()
    for turn in range(TURNS):
        for row in rows:
            # Each call is elsewhere in it.
            at = (turn + row) % TURNS * size
            bank.put(row, pairs[at : at + size].tobytes())
        bank.run()
    return 1000 * (time.thread_time() - begun) / (CALLS * seconds)
