"""The values that flow through the service, from a customer's query to a delivered grade.

Times named `t0`, `t1` are seconds since the call's first tapped sample; times named `*_at` are
Unix seconds (UTC). All values are immutable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final, Literal


class Emotion(StrEnum):
    """The four classes of signals in speech or text that models tell apart."""

    ANGRY = "angry"
    NEUTRAL = "neutral"
    DISAPPOINTED = "disappointed"
    HAPPY = "happy"


#: Order of every probability vector in this project.
LABELS: Final = (Emotion.ANGRY, Emotion.NEUTRAL, Emotion.DISAPPOINTED, Emotion.HAPPY)

#: What is said instead of an emotion when confidence is under the model card's threshold.
UNCERTAIN: Final = "uncertain"

#: Probability of anger or disappointment that counts as upset, where nothing else is said (chosen on dev
#: sets).
UPSET_THRESHOLD: Final = 0.4

#: Valence of each class in LABELS' order (rubric v1).
VALENCE: Final = (-1.0, 0.0, -0.7, 1.0)


@dataclass(frozen=True, slots=True)
class Scores:
    """Calibrated class probabilities, in LABELS' order, summing to 1."""

    probabilities: tuple[float, float, float, float]
    threshold: float = 0.0
    """Confidence under which the answer is UNCERTAIN (from the model's card)."""
    plain: tuple[float, float, float, float] | None = None
    """What the model answers before line and caller are taken into account; None: that is all there is."""

    @classmethod
    def of(cls, values: Sequence[float], threshold: float = 0.0) -> Scores:
        """Normalise four non-negative values (e.g. a numpy row) to Scores."""
        if len(values) != len(LABELS):
            raise ValueError(f"expected {len(LABELS)} probabilities, got {len(values)}")
        total = float(sum(values)) or 1.0
        a, n, d, h = (float(v) / total for v in values)
        return cls((a, n, d, h), threshold)

    @property
    def best(self) -> Emotion:
        """The most probable class, whatever the confidence."""
        return LABELS[max(range(len(LABELS)), key=self.probabilities.__getitem__)]

    @property
    def confidence(self) -> float:
        """Probability of the best class, 0.25 to 1."""
        return max(self.probabilities)

    @property
    def emotion(self) -> str:
        """The best class, or UNCERTAIN under the threshold."""
        return str(self.best) if self.confidence >= self.threshold else UNCERTAIN

    @property
    def upset(self) -> float:
        """Probability that it is angry or disappointed, whichever of the two."""
        return self.probabilities[0] + self.probabilities[2]

    @property
    def valence(self) -> float:
        """Sum of probability x class valence, -1 (angry) to 1 (happy)."""
        return sum(p * v for p, v in zip(self.probabilities, VALENCE, strict=True))

    def as_dict(self) -> dict[str, float]:
        """Probabilities by label, rounded to four places for people and JSON."""
        return {str(k): round(p, 4) for k, p in zip(LABELS, self.probabilities, strict=True)}


Side = Literal["customer", "agent"]


@dataclass(frozen=True, slots=True)
class Span:
    """One utterance of one side, as voice activity found it."""

    side: Side
    t0: float
    t1: float


@dataclass(frozen=True, slots=True)
class LineZero:
    """What a speech model's answers lean to on a line, taken back (see `emotion.zero`)."""

    line: str
    """trunk, site and its name, or all."""
    model: str
    """`name/version` whose answers it is for."""
    callers: int
    """Different callers that it counts for."""
    offsets: tuple[float, ...]
    """(4,) in LABELS' order, added to the logarithms of plain probabilities."""
    centre: tuple[float, ...] = ()
    """(d,) mean of the callers' measurements, for a model that hears readings less it (`emotion.site`)."""
    neutral_share: float = 0.25
    """Of the callers' speech, expected when this was worked out."""
    centred: bool = False
    """Whether a reading was heard less the centre."""

    def as_evidence(self, centred: bool) -> LineZero:
        """As a reading tells by what it was corrected: without the numbers of the centre."""
        return replace(self, centre=(), centred=centred)


@dataclass(frozen=True, slots=True)
class CallerPlace:
    """Where a caller's readings lie in a model's measurements (`emotion.places`)."""

    model: str
    """`name/version`."""
    mean: tuple[float, ...]
    """(d,)"""
    readings: int
    """That it is the mean of."""


#: What a reading rests on: how the customer sounds, what the customer says, or both.
Evidence = Literal["voice", "words", "both"]


@dataclass(frozen=True, slots=True)
class Reading:
    """Signals of emotion in one stretch of the customer's speech."""

    t0: float
    t1: float
    speech_s: float
    """Seconds of speech inside [t0, t1] that the model heard."""
    scores: Scores
    model: str = ""
    """`name/version` of the model."""
    zero: LineZero | None = None
    """By which the plain answer was corrected; None: it was not."""
    voice: tuple[float, float, float, float] | None = None
    """What the voice alone says, where words are in the scores, too."""
    words: tuple[float, float, float, float] | None = None
    """What the words spoken in it say; None: none were heard."""

    @property
    def evidence(self) -> Evidence:
        """What the scores rest on."""
        if self.words is None:
            return "voice"
        return "words" if self.voice is None else "both"


@dataclass(frozen=True, slots=True)
class Words:
    """What the customer said in a stretch of a call, as transcribed; kept only where the settings say so."""

    t0: float
    t1: float
    text: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Decision:
    """Where a query goes, and why."""

    decision_id: str
    at: float
    status: str
    """EMOCX_STATUS: ok, default, monitor, holdout, optout or timeout."""
    queue: str
    emotion: str
    confidence: float
    probabilities: Mapping[str, float] | None
    topic: str | None = None
    priority: int | None = None
    min_penalty: int | None = None
    max_penalty: int | None = None
    raise_penalty: int | None = None
    """QUEUE_RAISE_PENALTY: members up to this penalty ring as equals, as without the ranking."""
    tier_wait_s: int | None = None
    """After this many seconds in the queue any agent may ring, whatever the penalties above say."""
    announcement: str | None = None
    rule: str | None = None
    """Name of the policy rule that fired; None for the default."""
    reasons: tuple[str, ...] = ()
    source: str = "text"
    """text, speech or none."""
    language: str | None = None
    """Of the query's words (ISO 639-1); None where it is not sure, or there are none."""
    upset: float | None = None
    """Probability that it is angry or disappointed; None when nothing was classified."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One agent's segment of a call: while agent and customer can hear each other."""

    call_id: str
    index: int
    agent: str
    interface: str
    queue: str | None
    via: Literal["queue", "transfer", "dial"]
    started_at: float
    ended_at: float | None = None
    end_reason: str | None = None
    """customer_hung_up, agent_hung_up, blind_transfer, attended_transfer, redirected, parked, consulted,
    lost or asterisk_restart."""
    ended_to: str | None = None
    """Who or where a transfer went to."""
    missed_s: float = 0.0
    """So many seconds of it, at most, passed before the service knew of it."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A customer's stay in one queue."""

    queue: str
    entered_at: float
    left_at: float | None = None
    left: str | None = None
    """answered, abandoned, timeout, key, redirected, empty or lost; None: still waits."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """One line of a grade's sum; all of a grade's contributions add up to its score."""

    name: str
    points: float
    detail: str
    """Plain sentence for a supervisor."""
    readings: tuple[int, ...] = ()
    """Indices of the segment's readings it comes from."""


@dataclass(frozen=True, slots=True)
class Grade:
    """How the customer fared in one agent's segment."""

    score: float | None
    """0 to 100, or None for insufficient evidence."""
    letter: str | None
    low: float | None
    high: float | None
    evidence_s: float
    """Seconds of customer speech it rests on."""
    contributions: tuple[Contribution, ...] = ()
    rubric: str = "v1"
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Talk share, interruptions, dead air...: beside the grade, not in it."""
