"""What controller and analysis workers say to each other: MessagePack structs over a socket pair.

Every message is one frame: 4 bytes big-endian length, then MessagePack of a tagged struct.
The same messages can later travel over a broker to workers on other hosts.
"""

from __future__ import annotations

import msgspec

from emocx_pbx.wire.message import Message

# Controller to worker.


class AnnounceTap(Message, frozen=True):
    """Accept this UUID's AudioSocket once, within `ttl_s`, as a tap of a call."""

    uuid: str
    call_id: str
    mode: str
    """stereo (left customer, right agent), customer, or agent (one-sided `o` tap)."""
    offset_s: float = 0.0
    """Call time of the tap's first sample: 0, or later for a re-tap."""
    ttl_s: float = 10.0


class AnnounceListen(Message, frozen=True):
    """Accept this UUID's AudioSocket once as an IVR caller asking his question."""

    uuid: str
    call_id: str
    ttl_s: float = 15.0


class EndSession(Message, frozen=True):
    """Forget the UUID, or end its running session in an orderly way (0x00, close)."""

    uuid: str


class ClassifyText(Message, frozen=True):
    """Classify a query's text; answered by TextResult with the same request_id."""

    request_id: str
    text: str


class LoadModels(Message, frozen=True):
    """Load the speech and text models that the settings' names now stand for, and swap them in.

    Answered by ModelsLoaded. What can't be loaded stays as it was.
    """

    request_id: str
    topics: dict[str, tuple[str, ...]] | None = None
    """Topics to learn anew; None: keep those there are."""


class Shutdown(Message, frozen=True):
    """End all sessions in an orderly way, flush their last readings, exit."""


# Worker to controller.


class Ready(Message, frozen=True):
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


class TapStarted(Message, frozen=True):
    """The tap's socket opened and its first audio came at `at` (Unix seconds)."""

    uuid: str
    call_id: str
    at: float


class ReadingMade(Message, frozen=True):
    """One reading, in call time; sent in the order of t1 within a tap."""

    uuid: str
    call_id: str
    t0: float
    t1: float
    speech_s: float
    probabilities: tuple[float, float, float, float]
    threshold: float
    model: str


class SpeechHeard(Message, frozen=True):
    """One utterance ended."""

    uuid: str
    call_id: str
    side: str
    t0: float
    t1: float


class TapEnded(Message, frozen=True):
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


class TextResult(Message, frozen=True):
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


class ListenResult(Message, frozen=True):
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


class ModelsLoaded(Message, frozen=True):
    """Answer to LoadModels: what the worker uses from now on."""

    request_id: str
    speech_model: str | None
    text_model: str | None
    problems: list[str] = msgspec.field(default_factory=list)
    """One line for each part that could not be loaded; the old one stays."""


class WorkerStats(Message, frozen=True):
    """Sent every few seconds: counters for metrics."""

    open_taps: int
    counters: dict[str, float]
    """Counted since the worker started."""
    worker: int = 0
    """Index of the worker."""


ToWorker = AnnounceTap | AnnounceListen | EndSession | ClassifyText | LoadModels | Shutdown
ToController = (
    Ready
    | TapStarted
    | ReadingMade
    | SpeechHeard
    | TapEnded
    | TextResult
    | ListenResult
    | ModelsLoaded
    | WorkerStats
)
