"""What the controller and its web process say to each other; each asking message is answered once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.chat.moves import CallIsOver, CallTaken, CallTalks, CallWaits
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.domain import Decision
from emocx_pbx.live.calls import BoardState, Present
from emocx_pbx.observe.health import Component
from emocx_pbx.routing.decision import QueueState, RuleOutcome
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.settings import Settings
from emocx_pbx.webhooks.schedule import Outcome
from emocx_pbx.wire.message import Message


class WebConfig(msgspec.Struct, frozen=True):
    """What the process is started with."""

    settings: Settings
    life: str
    """Tells one run of the controller from another."""


# The web process to the controller.


class Listening(Message, frozen=True):
    """The HTTP port is open."""

    port: int


class CannotListen(Message, frozen=True):
    """It can't be, and the process ends."""

    why: str
    """One line for an administrator."""


class Counted(Message, frozen=True):
    """What was counted since the last such message; sent every second, so it tells of life too."""

    counts: tuple[tuple[str, str, float], ...]
    """Name, label (may be empty), sum."""
    requests: tuple[tuple[str, float], ...]
    """Area and seconds of requests that were answered."""
    watchers: int
    """Connections that watch the live feed."""


class Decide(Message, frozen=True):
    """A query in text; answered by Decided."""

    request_id: int
    text: str
    caller: Caller


class TryOut(Message, frozen=True):
    """The same without recording anything; answered by TriedOut."""

    request_id: int
    text: str
    caller: Caller


class CustomerForgotten(Message, frozen=True):
    """The customers of these calls, which go on, were erased; not answered."""

    call_ids: tuple[str, ...]


class BecameCall(Message, frozen=True):
    """A query decided on without a call becomes this caller's call; not answered."""

    decision: Decision
    caller: Caller


class Ring(Message, frozen=True):
    """Call a customer back; answered by Done."""

    request_id: int
    number: str
    """Checked."""
    call_id: str
    decision: Decision
    customer: str | None
    opted_out: bool


class ReloadAll(Message, frozen=True):
    """Read the policy again and load what models' names now stand for; answered by ReloadedAll."""

    request_id: int
    wait: bool
    """Until the workers have loaded; else only until the policy is read."""


class TestReceiver(Message, frozen=True):
    """Send a receiver a signed test event; answered by Tested."""

    request_id: int
    name: str


class ReadMetrics(Message, frozen=True):
    """Answered by MetricsText."""

    request_id: int


class StoreWritten(Message, frozen=True):
    """The web process changed the store; not answered."""

    what: Literal["events", "receivers"]


# The controller to the web process.


class StateNow(Message, frozen=True):
    """How the service stands; sent at once and whenever it differs."""

    components: Mapping[str, Component]
    queues: Mapping[str, QueueState]
    policy: Policy
    workers: tuple[Ready, ...]


class BoardNow(Message, frozen=True):
    """The live board to begin with."""

    state: BoardState


class BoardChanged(Message, frozen=True):
    """A change of the live board."""

    number: int
    kind: str
    there: Present
    data: bytes
    """JSON."""


class ReceiversChanged(Message, frozen=True):
    """The controller changed receivers in the store."""


class SettingsChanged(Message, frozen=True):
    """The controller took over settings; the web process does, too."""

    settings: Settings
    """Those in force."""


class Decided(Message, frozen=True):
    """Answers Decide."""

    request_id: int
    decision: Decision


class TriedOut(Message, frozen=True):
    """Answers TryOut."""

    request_id: int
    decision: Decision
    rules: tuple[RuleOutcome, ...]


class Done(Message, frozen=True):
    """Answers Ring."""

    request_id: int


class ReloadedAll(Message, frozen=True):
    """Answers ReloadAll; the state after it was sent before."""

    request_id: int
    workers: tuple[ModelsLoaded, ...]


class Tested(Message, frozen=True):
    """Answers TestReceiver."""

    request_id: int
    outcome: Outcome


class MetricsText(Message, frozen=True):
    """Answers ReadMetrics."""

    request_id: int
    body: bytes
    content_type: str


class Failed(Message, frozen=True):
    """Answers any: it can't be done."""

    request_id: int
    kind: Literal["input", "unavailable", "refused", "other"]
    why: str


class Stop(Message, frozen=True):
    """End in an orderly way."""


Asking = Decide | TryOut | Ring | ReloadAll | TestReceiver | ReadMetrics
Answering = Decided | TriedOut | Done | ReloadedAll | Tested | MetricsText | Failed
FromWeb = Listening | CannotListen | Counted | BecameCall | CustomerForgotten | StoreWritten | Asking
ToWeb = (
    StateNow
    | BoardNow
    | BoardChanged
    | ReceiversChanged
    | SettingsChanged
    | CallWaits
    | CallTaken
    | CallTalks
    | CallIsOver
    | Stop
    | Answering
)
