"""Reads one caller's windows with a worker's models: the budget decides which model reads what."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from emocx_pbx.analysis.budget import ACCURATE_S, Budget, Cascade, Choice
from emocx_pbx.analysis.correction import Correction
from emocx_pbx.analysis.pipeline import Classifier, ListeningSession, listening, read
from emocx_pbx.analysis.windows import Window
from emocx_pbx.analysis.worker.models import Models
from emocx_pbx.domain import CallerPlace, LineZero, Reading

#: What is counted of each choice.
COUNTED: Final = {
    Choice.ACCURATE: "windows_accurate",
    Choice.LIGHT_FIRST: "windows_light",
    Choice.LIGHT: "windows_light",
    Choice.SKIPPED: "windows_skipped",
    Choice.LATE: "windows_dropped",
}


class Hearing:
    """Lives in the voice lane's thread, as every change of the models does."""

    def __init__(
        self,
        models: Models,
        budget: Budget,
        neutral_share: float,
        clock: Callable[[], float],
        count: Callable[[str], None],
        waited: Callable[[float], None] = lambda late_s: None,
        zeros: Sequence[LineZero] = (),
    ) -> None:
        """Prepare.

        Args:
            models: the worker's.
            budget: the worker's.
            neutral_share: how much of a caller's speech is expected to be neutral.
            clock: seconds; what windows are stamped by.
            count: adds one to a counter.
            waited: told how long each window had waited (s).
            zeros: of the caller's line, by model, as far as they are known.
        """
        self._models, self._neutral_share = models, neutral_share
        self._clock, self._count, self._waited = clock, count, waited
        self._zeros = {zero.model: zero for zero in zeros}
        self._budget, self._cascade, self._correction = budget, Cascade(budget), Correction()
        self._sessions: dict[bool, tuple[Classifier, ListeningSession]] = {}
        """By whether it is the light model's."""

    def read(self, window: Window, put_at: float) -> Reading | None:
        """The reading of a window that began to wait at `put_at`; None: no model found speech in it."""
        late_s = self._clock() - put_at
        if window.early:
            return self._early(window, late_s)
        self._waited(late_s)
        choice = self._cascade.choose(late_s)
        self._count(COUNTED[choice])
        if choice in (Choice.SKIPPED, Choice.LATE):
            return None
        self._correction.passed()
        if choice is Choice.ACCURATE or self._models.light is None:
            return self._both(window) if self._short else self._accurate(window)
        light = self._light(window)
        if light is None:
            return None
        corrected = replace(light, scores=self._correction.corrected(light.scores))
        if choice is Choice.LIGHT or not self._cascade.asks(corrected.scores):
            return corrected
        self._count("windows_asked_again")
        return self._learnt(self._accurate(window), light)

    @property
    def place(self) -> CallerPlace | None:
        """Where the caller's readings by the accurate model lie on average; None: not known."""
        known = self._sessions.get(False)
        return known[1].place if known else None

    def _early(self, window: Window, late_s: float) -> Reading | None:
        """Of a window that is not needed: only in time, and with the accurate model only if it reads all."""
        if late_s >= ACCURATE_S:
            return None
        self._count("windows_early")
        if not self._short:
            return self._accurate(window)
        light = self._light(window)
        return None if light is None else replace(light, scores=self._correction.corrected(light.scores))

    @property
    def _short(self) -> bool:
        """Whether there is too little time for the accurate model to read every window."""
        return self._models.light is not None and self._budget.accurate_share < 1

    def _both(self, window: Window) -> Reading | None:
        """The accurate model's, and what the light one would have said, for windows to come."""
        accurate = self._accurate(window)
        return self._learnt(accurate, self._light(window)) if accurate else None

    def _learnt(self, accurate: Reading | None, light: Reading | None) -> Reading | None:
        if accurate and light:
            self._correction.learn(accurate.scores, light.scores)
        return accurate

    def _accurate(self, window: Window) -> Reading | None:
        reading = self._by(self._models.speech, window, light=False)
        self._cascade.answered(reading.scores if reading else None)
        return reading

    def _light(self, window: Window) -> Reading | None:
        return self._by(self._models.light, window, light=True)

    def _by(self, model: Classifier | None, window: Window, light: bool) -> Reading | None:
        if model is None:
            return None
        known, session = self._sessions.get(light, (None, None))
        if session is None or known is not model:
            # Another version since the last window: what it learns of the caller begins anew.
            session = listening(model, self._neutral_share, self._zeros.get(model.name))
            self._sessions[light] = model, session
        return read(session, model.name, window, self._zeros.get(model.name))
