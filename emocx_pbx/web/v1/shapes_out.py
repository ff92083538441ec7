"""What the API answers, beside the rows of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec.structs import force_setattr

from emocx_pbx.check.finding import Finding
from emocx_pbx.domain import Decision, Evidence, Grade, Segment, Span, Visit, Words
from emocx_pbx.routing.benefit import Comparison
from emocx_pbx.routing.decision import RuleOutcome
from emocx_pbx.store.list_rows import CallItem, SegmentItem
from emocx_pbx.store.rows import AlertRow, CorrectionRow, DeliveryRow, GradeKind, HoldRow


class QueryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Where a query goes, and why."""

    decision_id: str
    at: float
    status: str
    """EMOCX_STATUS: ok, default, monitor, holdout, optout or timeout."""
    queue: str
    emotion: str
    confidence: float
    upset: float | None
    """Probability that it is angry or disappointed, whichever of the two; null when nothing was
    classified."""
    probabilities: dict[str, float] | None
    topic: str | None
    language: str | None
    """Of the query's words (ISO 639-1); null where it is not sure, or there are none."""
    priority: int | None
    min_penalty: int | None
    max_penalty: int | None
    raise_penalty: int | None
    tier_wait_s: int | None
    """After this many seconds any agent may ring, whatever the penalties say."""
    announcement: str | None
    rule: str | None
    """Name of the policy's rule that fired; null for the default."""
    reasons: tuple[str, ...]
    source: str
    """text, speech or none."""
    call_id: str | None
    """Of the call that rings the customer; null without a callback_number."""


class Preview(msgspec.Struct, frozen=True):
    """What would be decided now; nothing is kept."""

    decision: Decision
    rules: tuple[RuleOutcome, ...]
    """Every rule of the policy, and why those that did not fire did not."""


class DecisionItem(msgspec.Struct, frozen=True):
    """A decision and what it was made for."""

    decision: Decision
    call_id: str | None
    customer_key: str | None
    text: str | None
    """Kept only with the setting privacy.store_query_text."""
    pbx: str = ""
    """Name of the call's PBX; empty: the one without a name, or no call."""


class DecisionPage(msgspec.Struct, frozen=True):
    """Decisions, newest first."""

    decisions: list[DecisionItem]
    next: str | None
    """Cursor of the next page; null on the last. With a rare filter a page may hold less than `limit`."""


class CallPage(msgspec.Struct, frozen=True):
    """Calls, newest first."""

    calls: Sequence[CallItem]
    next: str | None
    """Cursor of the next page; null on the last. With a rare filter a page may hold less than `limit`."""


class LineItem(msgspec.Struct, frozen=True):
    """The line that a reading was corrected for."""

    line: str
    """trunk or site with its name, or all."""
    callers: int
    """Different callers that it was learnt from."""
    offsets: dict[str, float]
    """Added to the logarithms of the plain probabilities."""
    centred: bool = False
    """Whether the reading was heard less the centre of the line's callers, too."""


class ReadingItem(msgspec.Struct, frozen=True):
    """Signals in one stretch of the customer's speech."""

    t0: float
    t1: float
    speech_s: float
    emotion: str
    confidence: float
    upset: float
    """Probability that it is angry or disappointed, whichever of the two."""
    valence: float
    probabilities: dict[str, float]
    model: str
    plain: dict[str, float] | None = None
    """What the model answers before line and caller are taken into account."""
    line: LineItem | None = None
    """By which the plain answer was corrected; null: by none."""
    evidence: Evidence = "voice"
    """What it rests on: how the customer sounds, what the customer says (as transcribed), or both."""
    voice: dict[str, float] | None = None
    """What the voice alone says, where words count as well."""
    words: dict[str, float] | None = None
    """What the words alone say; null where none were heard."""


class GradeItem(msgspec.Struct, frozen=True):
    """One revision of the grade of an agent's segment."""

    call_id: str
    segment: int
    revision: int
    """0 is the service's own."""
    kind: GradeKind
    at: float
    author: str
    reason: str
    grade: Grade


class CallAnswer(msgspec.Struct, frozen=True):
    """All that is known of one call; an agent gets only their own segments, and what was heard in them."""

    call: CallItem
    tapped_at: float | None
    """Unix seconds of the first tapped sample: zero of `t0` and `t1`."""
    decision: Decision | None
    segments: tuple[Segment, ...]
    readings: list[ReadingItem]
    spans: tuple[Span, ...]
    holds: tuple[HoldRow, ...]
    grades: list[GradeItem]
    """All revisions, by segment and revision."""
    alerts: tuple[AlertRow, ...]
    corrections: list[CorrectionRow]
    visits: tuple[Visit, ...]
    """Stays in queues, in their order."""
    said: tuple[Words, ...] = ()
    """What the customer said, as transcribed: kept only with privacy.store_words, and not for agents."""


class GradePage(msgspec.Struct, frozen=True):
    """Graded segments with their valid grades, newest first."""

    grades: Sequence[SegmentItem]
    next: str | None
    """Cursor of the next page; null on the last. With a rare filter a page may hold less than `limit`."""


class EstimateItem(msgspec.Struct, frozen=True):
    """How customers may be expected to fare; never to be shown without low and high."""

    arrived_as: str
    """Signals in the query: an emotion, uncertain or none."""
    expected: float
    """Points, 0 to 100."""
    low: float
    """Lower end of the 95 % interval."""
    high: float
    graded: int
    """Graded segments in the period."""
    calls: float
    """Calls that the estimate rests on, old ones counted in part."""
    came: str = ""
    """Deprecated: `arrived_as`."""
    parts: int = 0
    """Deprecated: `graded`."""

    def __post_init__(self) -> None:
        force_setattr(self, "came", self.arrived_as)
        force_setattr(self, "parts", self.graded)


class AgentItem(msgspec.Struct, frozen=True):
    """One agent: estimates, and what they were made of."""

    agent: str
    segments: int
    """In the period, graded or not."""
    graded: int
    mean: float | None
    """Plain mean of the period's scores, not adjusted for how customers arrived."""
    expected: float
    """Points of an average customer, adjusted for how customers arrived and for few calls."""
    low: float
    high: float
    by_arrival: list[EstimateItem]
    letters: dict[str, int]
    """`-` is insufficient evidence."""
    by_came: list[EstimateItem] = []
    """Deprecated: `by_arrival`."""
    parts: int = 0
    """Deprecated: `segments`."""

    def __post_init__(self) -> None:
        force_setattr(self, "by_came", self.by_arrival)
        force_setattr(self, "parts", self.segments)


class AgentsAnswer(msgspec.Struct, frozen=True):
    """Agents by expected outcome, the best first; intervals that overlap tell no order."""

    since: float
    until: float
    agents: list[AgentItem]


class BenefitAnswer(msgspec.Struct, frozen=True):
    """What routing by signals brings, measured on a holdout of customers."""

    since: float
    until: float
    calls: int
    """Ended calls in both arms."""
    comparisons: list[Comparison]
    """Where low and high are null, too few customers are in an arm."""


class QueueItem(msgspec.Struct, frozen=True):
    """One queue in a time."""

    queue: str
    calls: int
    """Stays in it: a call that comes back counts again."""
    answered: int
    abandoned: int
    """Stays that ended because the caller gave up."""
    overflowed: int
    """Stays that ended unanswered because the call went on elsewhere: time over, a key, redirected, empty."""
    open: int
    """Neither answered nor ended yet."""
    wait_median_s: float | None
    """Of answered calls."""
    wait_p90_s: float | None
    wait_longest_s: float | None
    arrived_as: dict[str, int]
    """Calls by signals in the query; none: there was no query."""
    left_as: dict[str, int]
    """Ended calls with an agent by signals in their last readings."""
    score: float | None
    """Mean of the calls' scores."""
    waiting_now: int | None
    """From Asterisk; null while the link is down."""
    available_now: int | None
    came: dict[str, int] = {}
    """Deprecated: `arrived_as`."""
    went: dict[str, int] = {}
    """Deprecated: `left_as`."""
    pbx: str = ""
    """Name of the queue's PBX; empty: the one without a name."""

    def __post_init__(self) -> None:
        force_setattr(self, "came", self.arrived_as)
        force_setattr(self, "went", self.left_as)


class QueuesAnswer(msgspec.Struct, frozen=True):
    """Queues by name."""

    since: float
    until: float
    queues: list[QueueItem]


class AlertPage(msgspec.Struct, frozen=True):
    """Alerts, newest first; for older ones ask again with `until` the last one's raised_at."""

    alerts: list[AlertRow]


class DeliveryPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first."""

    deliveries: Sequence[DeliveryRow]
    next: int | None
    """`before` of the next page; null on the last. With a rare filter a page may hold less than `limit`."""
    disabled: dict[str, str]
    """Receivers that get nothing more, with why."""


class Replayed(msgspec.Struct, frozen=True):
    """How much will be sent again."""

    replayed: int


class ModelItem(msgspec.Struct, frozen=True):
    """A model on disk, by its card."""

    kind: str
    name: str
    version: str
    current: bool
    """This version is what the name stands for."""
    in_use: bool
    """A worker has it loaded."""
    threshold: float
    licence: str
    problem: str | None
    """Why it can't be used; null if it can."""


class ModelsAnswer(msgspec.Struct, frozen=True):
    """Models that are installed, and what the workers say of theirs."""

    models: list[ModelItem]
    problems: list[str]


class ComponentItem(msgspec.Struct, frozen=True):
    """One part of the service."""

    up: bool
    why: str
    since: float


class HealthAnswer(msgspec.Struct, frozen=True):
    """Whether all parts are up."""

    ready: bool
    components: dict[str, ComponentItem]
    checked_at: float | None
    """When the check last looked; null: not yet."""
    findings: Sequence[Finding]
    """What it found amiss, each with its remedy; the worst first."""


class ReadyAnswer(msgspec.Struct, frozen=True):
    """Whether all parts are up."""

    ready: bool
    components: dict[str, ComponentItem] | msgspec.UnsetType = msgspec.UNSET
    """For this machine, or with the scope metrics:read."""
    checked_at: float | msgspec.UnsetType | None = msgspec.UNSET
    findings: Sequence[Finding] | msgspec.UnsetType = msgspec.UNSET
    """As in /api/v1/health; they do not make it unready."""


class Alive(msgspec.Struct, frozen=True):
    """The service is alive."""

    status: Literal["ok"]
