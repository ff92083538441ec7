"""The messages between the controller and its web process; each request is answered once."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from emocx_pbx.analysis.messages import ModelsLoaded, Ready
from emocx_pbx.chat.moves import CallIsOver, CallTaken, CallTalks, CallWaits
from emocx_pbx.deeds.deed import AnyDeed
from emocx_pbx.dispatch.queries import Caller
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.live.calls import BoardState, Present
from emocx_pbx.observe.health import Component
from emocx_pbx.routing.decision import QueueState, RuleOutcome
from emocx_pbx.routing.policy import Policy
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
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
    """The HTTP port can't be opened, and the process ends."""

    why: str
    """One line for an administrator."""


class Counted(Message, frozen=True):
    """What was counted since the last such message; sent every second, so it is a sign of life too."""

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
    """The same as Decide without recording anything; answered by TriedOut."""

    request_id: int
    text: str
    caller: Caller


class DoDeed(Message, frozen=True):
    """Do a deed for somebody; answered by DeedDone."""

    request_id: int
    deed: AnyDeed
    by: Actor
    until: float | None = None
    """When it is too late to begin, by the controller's own monotonic clock (seconds): whoever asks has given
    up by then. None: never.
    """


class BecameCall(Message, frozen=True):
    """A query decided without a call becomes this caller's call; not answered."""

    decision: Decision
    caller: Caller


class BoardLost(Message, frozen=True):
    """Changes of the live board were lost: it is sent again by BoardNow."""


class MayDial(Message, frozen=True):
    """Admit a number, and count it as a call that is placed now; answered by Admitted."""

    request_id: int
    text: str
    """The number as entered."""


class Ring(Message, frozen=True):
    """Call a customer back; answered by Done."""

    request_id: int
    call: CallToPlace
    """The call, with the number as given by Admitted within the last minute."""
    by: Actor | None
    """Who wants it; None: the customer, in the chat."""
    until: float | None = None
    """As DoDeed.until."""


class ReloadAll(Message, frozen=True):
    """Reread the policy and load the versions that models' names now stand for; answered by ReloadedAll."""

    request_id: int
    wait: bool
    """Whether to wait until the workers have loaded; else only until the policy is read."""


class ReadMetrics(Message, frozen=True):
    """Answered by MetricsText."""

    request_id: int


# The controller to the web process.


class StateNow(Message, frozen=True):
    """The state of the service; sent at once and whenever it changes."""

    components: Mapping[str, Component]
    queues: Mapping[str, QueueState]
    policy: Policy
    workers: tuple[Ready, ...]
    pbx_queues: Mapping[str, Mapping[str, QueueState]] = {}
    """`queues` by the PBX's name."""


class BoardNow(Message, frozen=True):
    """The live board, at the start or after a BoardLost: several messages in a row, with nothing in
    between.
    """

    state: BoardState
    """A part of it."""
    first: bool = True
    last: bool = True


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
    """The controller took over new settings; the web process does so too."""

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


class CallPlaced(Message, frozen=True):
    """Answers Ring."""

    request_id: int


class ReloadedAll(Message, frozen=True):
    """Answers ReloadAll; the state after it was sent before."""

    request_id: int
    workers: tuple[ModelsLoaded, ...]


class Admitted(Message, frozen=True):
    """Answers MayDial."""

    request_id: int
    number: str
    """In E.164 form."""


class DeedDone(Message, frozen=True):
    """Answers DoDeed."""

    request_id: int
    result: msgspec.Raw
    """The answer, of the deed's type, as MessagePack."""


class MetricsText(Message, frozen=True):
    """Answers ReadMetrics."""

    request_id: int
    body: bytes
    content_type: str


class Failed(Message, frozen=True):
    """Answers any request: it can't be done."""

    request_id: int
    kind: str
    """Name of the error's class, of those in `web/failures.py`."""
    why: str
    """One line; for DiallingRefused the name of its reason."""
    wait_s: float = 0.0
    """Seconds after which it may be requested again."""


class Stop(Message, frozen=True):
    """End in an orderly way."""


Asking = Decide | TryOut | MayDial | Ring | ReloadAll | ReadMetrics | DoDeed
Answering = Decided | TriedOut | Admitted | CallPlaced | ReloadedAll | MetricsText | DeedDone | Failed
FromWeb = Listening | CannotListen | Counted | BecameCall | BoardLost | Asking
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
