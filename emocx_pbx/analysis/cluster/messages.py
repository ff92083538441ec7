"""The messages between workers on other hosts and controllers, in addition to `analysis.messages`."""

from __future__ import annotations

from emocx_pbx.analysis.messages import (
    AnnounceListen,
    AnnounceTap,
    ClassifyText,
    EndSession,
    ListenResult,
    LoadModels,
    ModelsLoaded,
    ReadingMade,
    Ready,
    SwapModels,
    TapEnded,
    TapStarted,
    TextResult,
    UtteranceEnded,
    WordsSaid,
    WorkerMessage,
    WorkerStats,
)
from emocx_pbx.domain import Decision
from emocx_pbx.wire.message import Message


class DecidedAlone(WorkerMessage, frozen=True):
    """A worker decided while NATS was away, for the door of its own host; to be stored."""

    uuid: str
    """The decision's id, under which it is kept until a controller has it."""
    call_id: str
    decision: Decision
    customer_key: str | None = None
    opted_out: bool = False
    text: str = ""
    """The query, where there was one."""


#: What a tap yields, or a decision; kept by the stream until it is written.
FromTap = TapStarted | ReadingMade | WordsSaid | UtteranceEnded | TapEnded | DecidedAlone


class Beat(Message, frozen=True):
    """A worker's sign of life; sent every second, and at once when something in it changes."""

    worker: str
    """Its name, `node-index`: the same after it was started again."""
    life: str
    """This process of it."""
    node: str
    site: str
    address: str
    """HOST:PORT at which Asterisk reaches it."""
    version: str
    """Of the package."""
    checksums: dict[str, str]
    """SHA-256 of each model's card, which holds those of its files, by `name/version`."""
    ready: Ready
    stats: WorkerStats | None = None
    sessions: int = 0
    """Taps and questions of all controllers."""
    draining: bool = False
    """It takes no new sessions, and ends when those it has are over."""
    dropped: int = 0
    """Number of messages about taps that it had no room to keep, since its start."""
    waiting: int = 0
    """Number of messages about taps that the stream has not accepted yet."""
    models: int = 0
    """Number of the cluster's set of models that it uses; 0: none was promoted yet."""
    behind: str = ""
    """Why its models are not those of the cluster: it takes no new taps. Empty: they are."""
    topics: str = ""
    """Digest of the topics that it learnt; empty: none."""


class Echo(Message, frozen=True):
    """A controller to itself, through the servers."""


class Order(Message, frozen=True):
    """A controller's order; answered by the message's own answer, else by OrderTaken."""

    by: str
    """The controller's life: where a question's result is told."""
    message: AnnounceTap | AnnounceListen | EndSession | ClassifyText | LoadModels | SwapModels


class WhichTaps(Message, frozen=True):
    """Asks which taps and questions of this PBX the worker has; answered by Sessions."""

    pbx: str


class Sessions(Message, frozen=True):
    """Their UUIDs."""

    uuids: tuple[str, ...]


class Drain(Message, frozen=True):
    """Take no new taps, end when the last is over; answered by Draining."""


class Draining(Message, frozen=True):
    """It does."""

    sessions: int
    """Still to end."""


class OrderTaken(Message, frozen=True, tag="Done"):
    """It was taken."""


class TapBatch(Message, frozen=True):
    """What one tap yielded since the batch before."""

    uuid: str
    call_id: str
    number: int
    """Counts up from 1 within the tap; some may be missing, when there was no room to keep them."""
    messages: tuple[FromTap, ...]
    started: TapStarted | None = None
    """How the tap began, for a controller that was not there then; None: its audio never arrived."""


ToWorkerHost = Order | WhichTaps | Drain
FromWorkerHost = OrderTaken | Sessions | Draining | TextResult | ModelsLoaded | ListenResult
