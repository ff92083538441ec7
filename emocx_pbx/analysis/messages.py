"""The messages between controller and analysis workers: MessagePack structs over a socket pair.

Every message is one frame: 4 bytes big-endian length, then MessagePack of a tagged struct.
The same messages can later travel over a broker to workers on other hosts.

A message is checked where it is made and again where it arrives: ids have the form of ids, numbers are
numbers (no NaN), texts are bounded. Whatever came in from outside can't end a process behind it.
"""

from __future__ import annotations

import math
import re
from typing import Any, Final

import msgspec

from emocx_pbx.alerts.rules import AlertRule, alert_problems
from emocx_pbx.domain import CallerPlace, LineZero
from emocx_pbx.settings.settings import LogSettings
from emocx_pbx.wire.message import BadMessage, Message

#: Characters of a call's id: Asterisk's Uniqueid has at most 149 (AST_MAX_UNIQUEID).
MAX_ID: Final = 200
#: Characters of a query: as long as a variable that the dialplan may send.
MAX_TEXT: Final = 70_000
#: What a tap carries: both sides, or one.
MODES: Final = frozenset({"stereo", "customer", "agent"})

_UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class WorkerMessage(Message, frozen=True):
    """Base of the messages of workers."""

    def __post_init__(self) -> None:
        """Check the fields by their names; called when a message is made and when one is decoded.

        Raises:
            BadMessage: one is not what its name stands for.
        """
        for name in self.__struct_fields__:
            if problem := _problem(name, getattr(self, name)):
                raise BadMessage(f"{type(self).__name__}.{name}: {problem}")


class ForSocket(WorkerMessage, frozen=True):
    """A message about one AudioSocket, which Asterisk will name by its UUID."""

    def __post_init__(self) -> None:
        """Check the UUID as well: the worker compares it with what Asterisk sends.

        Raises:
            BadMessage: one is not what its name stands for.
        """
        if not _UUID.fullmatch(getattr(self, "uuid", "")):
            raise BadMessage(f"{type(self).__name__}.uuid: no UUID as Asterisk writes it")
        super().__post_init__()


def _problem(name: str, value: Any) -> str:
    """What is wrong with a field; empty: nothing."""
    match value:
        case str() if name == "text":
            return "" if len(value) <= MAX_TEXT else f"{len(value)} characters, at most {MAX_TEXT}"
        case str() if name == "mode":
            return "" if value in MODES else f"{value[:20]!r} is no way to tap"
        case str() if name in {"uuid", "call_id", "request_id"}:
            return "" if 0 < len(value) <= MAX_ID else f"{len(value)} characters, expected 1 to {MAX_ID}"
        case tuple() if name == "alerts":
            return "; ".join(f"{place}: {problem}" for place, problem in alert_problems(value))
        case float():
            return "" if math.isfinite(value) else f"{value} is no number"
        case (float(), *_):
            return "" if all(math.isfinite(each) for each in value) else "not all are numbers"
        case dict() if name == "counters":
            return "" if all(math.isfinite(each) for each in value.values()) else "not all are numbers"
    return ""


# Controller to worker.


class AnnounceTap(ForSocket, frozen=True):
    """Accept this UUID's AudioSocket once, within `ttl_s`, as a tap of a call."""

    uuid: str
    call_id: str
    mode: str
    """stereo (left customer, right agent), customer, or agent (one-sided `o` tap)."""
    offset_s: float = 0.0
    """Call time of the tap's first sample: 0, or later for a re-tap."""
    ttl_s: float = 10.0
    zeros: tuple[LineZero, ...] = ()
    """Of the customer's line, by model, as far as they are known."""
    alerts: tuple[AlertRule, ...] = ()
    """Rules that the call is watched by: it is read sooner where one of them may raise an alert."""


class AnnounceListen(ForSocket, frozen=True):
    """Accept this UUID's AudioSocket once, as an IVR caller stating their query."""

    uuid: str
    call_id: str
    ttl_s: float = 15.0
    zeros: tuple[LineZero, ...] = ()
    """Of the caller's line, by model, as far as they are known."""


class EndSession(ForSocket, frozen=True):
    """Forget the UUID, or end its running session in an orderly way (0x00, close)."""

    uuid: str
    unheard: bool = False
    """The customer opted out: what waits to be transcribed is dropped."""


class ClassifyText(WorkerMessage, frozen=True):
    """Classify a query's text; answered by TextResult with the same request_id."""

    request_id: str
    text: str


class LoadModels(WorkerMessage, frozen=True):
    """Load the versions of speech and text models that the settings' names now stand for, and swap them in.

    Answered by ModelsLoaded. What can't be loaded stays as it was.
    """

    request_id: str
    topics: dict[str, tuple[str, ...]] | None = None
    """Topics to learn afresh; None: keep the present ones."""
    versions: dict[str, str] = msgspec.field(default_factory=dict)
    """By `kind/name`: these in place of what the folder says."""
    hold: bool = False
    """Load only: SwapModels swaps them in."""


class SwapModels(WorkerMessage, frozen=True):
    """Swap in what LoadModels loaded to be held; where nothing is held, as LoadModels.

    Answered by ModelsLoaded.
    """

    request_id: str


class LogAs(WorkerMessage, frozen=True):
    """Log by these settings from now on; not answered."""

    log: LogSettings


class KeepWords(WorkerMessage, frozen=True):
    """Send what customers say in calls from now on, or stop sending it; not answered."""

    kept: bool


class Shutdown(WorkerMessage, frozen=True):
    """End all sessions in an orderly way, flush their last readings, exit."""


class TakePlace(WorkerMessage, frozen=True):
    """To a spare that stands by: be the worker of this index, and open its port; answered by Ready."""

    index: int


# Worker to controller.


class Ready(WorkerMessage, frozen=True):
    """Models are warm and the AudioSocket port listens.

    Topics and transcriber load in the background: when they are there (or can't be), Ready is sent once
    more.
    """

    port: int
    speech_model: str | None
    """`name/version`, None if it can't be loaded (then there are no readings)."""
    text_model: str | None
    transcriber: str | None
    problems: list[str] = msgspec.field(default_factory=list)
    """One line for each model that can't be loaded."""


class StandsBy(WorkerMessage, frozen=True):
    """A spare's models are warm; it waits for TakePlace."""


class NoPort(WorkerMessage, frozen=True):
    """The AudioSocket port can't be opened; the worker ends."""

    why: str
    """One line for an administrator, which names the setting."""


class TapStarted(WorkerMessage, frozen=True):
    """The tap's socket opened and its first audio came at `at` (Unix seconds)."""

    uuid: str
    call_id: str
    at: float
    read: bool = True
    """False: the worker has no time for the call's emotion; there will be utterances, but no readings."""


class ReadingMade(WorkerMessage, frozen=True):
    """One reading, in call time; sent in the order of t1 within a tap."""

    uuid: str
    call_id: str
    t0: float
    t1: float
    speech_s: float
    probabilities: tuple[float, float, float, float]
    threshold: float
    model: str
    plain: tuple[float, float, float, float] | None = None
    """What the model answers before line and caller are taken into account."""
    zero: LineZero | None = None
    """By which the plain answer was corrected."""
    voice: tuple[float, float, float, float] | None = None
    """The probabilities by voice alone, if words are in the others too."""
    words: tuple[float, float, float, float] | None = None
    """The probabilities by words; None: there were no words."""
    revises: bool = False
    """Words were added to an earlier reading: this one replaces it."""


class WordsSaid(WorkerMessage, frozen=True):
    """What the customer said, if it is to be kept (privacy.store_words); not sent otherwise."""

    uuid: str
    call_id: str
    t0: float
    t1: float
    text: str


class UtteranceEnded(WorkerMessage, frozen=True, tag="SpeechHeard"):
    """One utterance ended."""

    uuid: str
    call_id: str
    side: str
    t0: float
    t1: float


class TapEnded(WorkerMessage, frozen=True):
    """The tap is over and all its readings have been sent."""

    uuid: str
    call_id: str
    at: float
    reason: str
    """eof, ended, idle, protocol or handshake."""
    audio_s: float
    max_gap_s: float
    """Longest time between two audio messages."""
    missing_s: float
    """Audio filled with silence because nothing came."""


class CallerPlaced(WorkerMessage, frozen=True):
    """Where the customer's readings lie on average, for what the line learns; sent before TapEnded.

    The only message with numbers of one voice: it is kept nowhere, and may be lost.
    """

    uuid: str
    call_id: str
    place: CallerPlace


class TextResult(WorkerMessage, frozen=True):
    """Answer to ClassifyText; probabilities is None when there is no text model."""

    request_id: str
    probabilities: tuple[float, float, float, float] | None
    threshold: float
    topic: str | None = None
    topic_confidence: float = 0.0
    language: str | None = None
    """ISO 639-1; None where it is not sure."""
    foreign: bool = False
    """Whether the text model does not know that language."""


class ListenResult(WorkerMessage, frozen=True):
    """The IVR caller's question is over (or never came)."""

    uuid: str
    call_id: str
    reason: str
    """utterance, silence (nothing said), limit, hangup or error."""
    text: str | None
    probabilities: tuple[float, float, float, float] | None
    """Voice and transcript fused."""
    threshold: float
    voice: tuple[float, float, float, float] | None
    words: tuple[float, float, float, float] | None
    topic: str | None = None
    topic_confidence: float = 0.0
    speech_s: float = 0.0
    language: str | None = None
    """Of the transcript; ISO 639-1, None where it is not sure."""
    foreign: bool = False
    """Whether the text model does not know that language: the voice alone counts then."""


class ModelsLoaded(WorkerMessage, frozen=True):
    """Answer to LoadModels and SwapModels: what the worker uses from now on."""

    request_id: str
    speech_model: str | None
    text_model: str | None
    problems: list[str] = msgspec.field(default_factory=list)
    """One line for each part that could not be loaded; the old one stays."""


class WorkerStats(WorkerMessage, frozen=True):
    """Sent every few seconds: counters for metrics."""

    open_taps: int
    counters: dict[str, float]
    """Counted since the worker started."""
    worker: int = 0
    """Index of the worker."""
    load: float = 0.0
    """CPU seconds per second, recently."""
    accurate_share: float = 1.0
    """Share of windows that the accurate speech model may read; the light one reads the rest."""
    read_share: float = msgspec.field(default=1.0, name="heard_share")
    """Share of windows that are read at all."""
    voice_only: bool = False
    """Whether new calls are followed by voice activity alone."""
    carries_accurate: int = 0
    """Calls that a core carries with the accurate model everywhere, as measured at the start; 0: unknown."""
    carries_light: int = 0
    """The same with the light model alone."""
    coarse: bool = False
    """Whether voice activity is told by level alone, as there are more calls than can be taken in."""
    name: str = ""
    """The worker's name in the cluster; empty: it is one of the controller's own."""
    site: str = ""
    """Where it stands in the cluster."""


ToWorker = (
    AnnounceTap
    | AnnounceListen
    | EndSession
    | ClassifyText
    | LoadModels
    | SwapModels
    | LogAs
    | KeepWords
    | TakePlace
    | Shutdown
)
ToController = (
    Ready
    | StandsBy
    | NoPort
    | TapStarted
    | ReadingMade
    | WordsSaid
    | UtteranceEnded
    | CallerPlaced
    | TapEnded
    | TextResult
    | ListenResult
    | ModelsLoaded
    | WorkerStats
)
