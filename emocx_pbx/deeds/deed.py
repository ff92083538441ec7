"""Deeds as requests: what to do, as typed arguments; `doing.py` does them, wherever they come from.

They go from the web process to the controller, so each names the type of its answer and how long that may
take. Who asks is sent alongside. The functions that do a deed check its values; here are only types.
"""

from __future__ import annotations

from typing import Final, Generic, Literal

import msgspec

from emocx_pbx.deeds.base import LONG_S, Deed, R
from emocx_pbx.deeds.models import Switched
from emocx_pbx.deeds.replay import Which
from emocx_pbx.deeds.review_deeds import DrawReviews, LabelWindow, StopTraining, TrainCandidate
from emocx_pbx.store.account_rows import User
from emocx_pbx.store.idempotency import Claim
from emocx_pbx.store.rows import CorrectionRow, GradeRow
from emocx_pbx.webhooks.schedule import AttemptOutcome

#: A receiver has at most 30 s to answer.
TEST_S: Final = 35.0


class Forgotten(msgspec.Struct, frozen=True):
    """The result of an erasure or a purge."""

    counts: dict[str, int]
    """How many rows of each kind were removed."""
    settled: bool
    """No copy is left in the database's write-ahead log."""


# Calls and grades.


class OverrideGrade(Deed[GradeRow], frozen=True):
    """A supervisor's own score."""

    answer = GradeRow
    call_id: str
    segment: int
    score: float
    reason: str


class DisputeGrade(Deed[GradeRow], frozen=True):
    """Contest a grade."""

    answer = GradeRow
    call_id: str
    segment: int
    reason: str
    own: str | None
    """The only agent whose grade may be contested; None: any agent's."""


class CorrectReading(Deed[CorrectionRow], frozen=True):
    """Correct a reading: what it should have said."""

    answer = CorrectionRow
    call_id: str
    t0: float
    t1: float
    emotion: str
    reason: str


class Replay(Deed[int], frozen=True):
    """Send events again; the answer is the number of deliveries pending because of it."""

    answer = int
    which: Which
    everything: bool = False


# The service.


class EraseCustomer(Deed[Forgotten], frozen=True):
    """Erase a customer everywhere, by key, number, or both."""

    answer = Forgotten
    deadline_s = LONG_S
    customer: str | None
    number: str | None


class PurgeOld(Deed[Forgotten], frozen=True):
    """Erase what is older than the settings allow."""

    answer = Forgotten
    deadline_s = LONG_S


class SavePolicy(Deed[None], frozen=True):
    """Replace the policy file; rereading it is a request of its own."""

    answer = None
    text: str
    based_on: str
    """Digest of the text that was edited."""


class PromoteModel(Deed[Switched], frozen=True):
    """Make a model's name stand for another version."""

    answer = Switched
    deadline_s = LONG_S
    kind: str
    name: str
    version: str
    why: str


class ResetLines(Deed[int], frozen=True):
    """Forget what was learnt about lines; the answer is how many lines that were."""

    answer = int
    model: str | None
    """None: about all lines."""
    line: str | None


# Receivers.


class OnReceivers(Deed[R], Generic[R], frozen=True):
    """A deed after which receivers are reread."""


class AddReceiver(OnReceivers[str], frozen=True):
    """Add a receiver; the answer is its secret."""

    answer = str
    name: str
    url: str
    events: tuple[str, ...]
    timeout_s: float


class ChangeReceiver(OnReceivers[None], frozen=True):
    """Change a receiver's address, events or deadline."""

    answer = None
    name: str
    url: str
    events: tuple[str, ...]
    timeout_s: float


class RotateSecret(OnReceivers[str], frozen=True):
    """Make a new secret, which is the answer; for a while the old one signs too."""

    answer = str
    name: str
    overlap_s: float


class SwitchReceiver(OnReceivers[None], frozen=True):
    """Suspend or resume sending to a receiver."""

    answer = None
    name: str
    on: bool
    reason: str = ""


class RemoveReceiver(OnReceivers[None], frozen=True):
    """Remove a stored receiver."""

    answer = None
    name: str


class TestReceiver(Deed[AttemptOutcome], frozen=True):
    """Send a receiver a signed test event now."""

    answer = AttemptOutcome
    deadline_s = TEST_S
    name: str


# Users, links and tokens.


class AddUser(Deed[User], frozen=True):
    """Add a user, who sets a password through a link."""

    answer = User
    name: str
    role: str
    agent: str
    queues: tuple[str, ...]
    """For a supervisor: the queues whose calls they see; none: all."""


class ChangeUser(Deed[User], frozen=True):
    """Change a user's role, agent or team, or disable or enable them."""

    answer = User
    user_id: int
    role: str
    agent: str
    disabled: bool
    queues: tuple[str, ...]


class DeleteUser(Deed[None], frozen=True):
    """Remove a user; nobody can remove themselves."""

    answer = None
    user_id: int
    themselves: int | None


class MakeLink(Deed[str], frozen=True):
    """Make a one-time link; the answer is its path."""

    answer = str
    user_id: int | None
    """None: the link makes the first administrator."""


class UseLink(Deed[User], frozen=True):
    """Set the password of the link's user, or make the first administrator."""

    answer = User
    link_hash: str
    name: str
    password_hash: str


class AddToken(Deed[str], frozen=True):
    """Make an API token, which is the answer."""

    answer = str
    name: str
    scopes: tuple[str, ...]
    days: int


class RevokeToken(Deed[None], frozen=True):
    """Revoke a token."""

    answer = None
    token_id: str


# Logins.


class SetPassword(Deed[None], frozen=True):
    """Change one's password; all sessions but one end."""

    answer = None
    user_id: int
    password_hash: str
    keep_session: str


class TryLogin(Deed[float], frozen=True):
    """Begin a login attempt; the answer is 0: it was counted, or the seconds until one is allowed."""

    answer = float
    attempt: str
    """Identifies the attempt."""
    counted: tuple[tuple[str, int], ...]
    """The keys that it counts for, each with the number of attempts allowed within the window."""
    window_s: float


class LoginFits(Deed[None], frozen=True):
    """The login succeeded: neither the attempt counts, nor earlier failures for the keys in `forgotten`."""

    answer = None
    attempt: str
    forgotten: tuple[str, ...]


class BeginSession(Deed[None], frozen=True):
    """Start a session: a user logged in."""

    answer = None
    session_hash: str
    user_id: int
    address: str
    browser: str
    old_session_hash: str
    """The same browser's earlier session, ended by this; empty: none."""


class EndOwnSession(Deed[None], frozen=True):
    """End a session: the user logged out."""

    answer = None
    session_hash: str


class EndOtherSessions(Deed[None], frozen=True):
    """End all of the user's other sessions."""

    answer = None
    user_id: int
    but: str


class NoteUse(Deed[None], frozen=True):
    """Note that a session or token was used now; exactly one of the two is given."""

    answer = None
    session_hash: str = ""
    token_id: str = ""


class NoteRefusal(Deed[None], frozen=True):
    """Note one or many refused logins or tokens."""

    answer = None
    action: Literal["session.refused", "token.refused"]
    subject: str
    facts: dict[str, str | int]


# Answers to requests that clients may repeat.


class ClaimKey(Deed[Claim], frozen=True):
    """Claim an idempotency key for a request, or find the earlier answer."""

    answer = Claim
    who: str
    key: str
    request: str
    """Hash of everything that makes up the request."""


class KeepAnswer(Deed[None], frozen=True):
    """Keep the answer to the request."""

    answer = None
    who: str
    key: str
    status: int
    body: bytes


class ReleaseKey(Deed[None], frozen=True):
    """Release the key: the request failed, and may be tried again with it."""

    answer = None
    who: str
    key: str


UserDeed = AddUser | ChangeUser | DeleteUser | MakeLink | UseLink | AddToken | RevokeToken
LoginDeed = (
    SetPassword
    | TryLogin
    | LoginFits
    | BeginSession
    | EndOwnSession
    | EndOtherSessions
    | NoteUse
    | NoteRefusal
    | ClaimKey
    | KeepAnswer
    | ReleaseKey
)
AccountDeed = UserDeed | LoginDeed
"""Deeds about who may log in, and about repeated requests: they need nothing but the records."""

AnyDeed = (
    OverrideGrade
    | DisputeGrade
    | CorrectReading
    | Replay
    | EraseCustomer
    | PurgeOld
    | SavePolicy
    | PromoteModel
    | ResetLines
    | DrawReviews
    | LabelWindow
    | TrainCandidate
    | StopTraining
    | AddReceiver
    | ChangeReceiver
    | RotateSecret
    | SwitchReceiver
    | RemoveReceiver
    | TestReceiver
    | AccountDeed
)
