"""Deeds as they are asked for: what, by typed arguments; `doing.py` does them, wherever they were asked.

They cross from the web process to the controller, so each says what it is answered by and how long that
may take. Who asks comes beside it. The functions that do a deed check its values; here are only types.
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

#: A receiver has at most 30 s.
TEST_S: Final = 35.0


class Forgotten(msgspec.Struct, frozen=True):
    """What an erasure or a purge came to."""

    counts: dict[str, int]
    """How many of each kind went."""
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
    """A grade is contested."""

    answer = GradeRow
    call_id: str
    segment: int
    reason: str
    own: str | None
    """The agent who alone may be meant; None: any."""


class CorrectReading(Deed[CorrectionRow], frozen=True):
    """What a reading should have said."""

    answer = CorrectionRow
    call_id: str
    t0: float
    t1: float
    emotion: str
    reason: str


class Replay(Deed[int], frozen=True):
    """Send events again; answered by how many deliveries are pending because of it."""

    answer = int
    which: Which
    everything: bool = False


# The service.


class EraseCustomer(Deed[Forgotten], frozen=True):
    """Forget a customer everywhere, by key, number, or both."""

    answer = Forgotten
    deadline_s = LONG_S
    customer: str | None
    number: str | None


class PurgeOld(Deed[Forgotten], frozen=True):
    """Forget what is older than the settings say."""

    answer = Forgotten
    deadline_s = LONG_S


class SavePolicy(Deed[None], frozen=True):
    """Replace the policy file; reading it again is asked for by itself."""

    answer = None
    text: str
    based_on: str
    """Digest of the text that the change began with."""


class PromoteModel(Deed[Switched], frozen=True):
    """Let a model's name stand for another version."""

    answer = Switched
    deadline_s = LONG_S
    kind: str
    name: str
    version: str
    why: str


class ResetLines(Deed[int], frozen=True):
    """Forget what was learnt of lines; answered by how many they were."""

    answer = int
    model: str | None
    """None: of all."""
    line: str | None


# Receivers.


class OnReceivers(Deed[R], Generic[R], frozen=True):
    """A deed after which receivers are read again."""


class AddReceiver(OnReceivers[str], frozen=True):
    """A new receiver; answered by its secret."""

    answer = str
    name: str
    url: str
    events: tuple[str, ...]
    timeout_s: float


class ChangeReceiver(OnReceivers[None], frozen=True):
    """Another address, other events or another deadline."""

    answer = None
    name: str
    url: str
    events: tuple[str, ...]
    timeout_s: float


class RotateSecret(OnReceivers[str], frozen=True):
    """A new secret, which it is answered by; for a time the old one signs too."""

    answer = str
    name: str
    overlap_s: float


class SwitchReceiver(OnReceivers[None], frozen=True):
    """Send nothing more for now, or again."""

    answer = None
    name: str
    on: bool
    reason: str = ""


class RemoveReceiver(OnReceivers[None], frozen=True):
    """Remove a stored receiver."""

    answer = None
    name: str


class TestReceiver(Deed[AttemptOutcome], frozen=True):
    """Send a signed test event now."""

    answer = AttemptOutcome
    deadline_s = TEST_S
    name: str


# Users, links and tokens.


class AddUser(Deed[User], frozen=True):
    """A new user, who sets a password by a link."""

    answer = User
    name: str
    role: str
    agent: str
    queues: tuple[str, ...]
    """Of a supervisor: those whose calls are seen; none: all."""


class ChangeUser(Deed[User], frozen=True):
    """Another role, agent or team, disabled or enabled again."""

    answer = User
    user_id: int
    role: str
    agent: str
    disabled: bool
    queues: tuple[str, ...]


class DeleteUser(Deed[None], frozen=True):
    """Remove a user, but never oneself."""

    answer = None
    user_id: int
    themselves: int | None


class MakeLink(Deed[str], frozen=True):
    """A one-time link; answered by its path."""

    answer = str
    user_id: int | None
    """None: it makes the first administrator."""


class UseLink(Deed[User], frozen=True):
    """A password for the link's user, or the first administrator."""

    answer = User
    link_hash: str
    name: str
    password_hash: str


class AddToken(Deed[str], frozen=True):
    """A new API token, which it is answered by."""

    answer = str
    name: str
    scopes: tuple[str, ...]
    days: int


class RevokeToken(Deed[None], frozen=True):
    """The token holds no more."""

    answer = None
    token_id: str


# Logins.


class SetPassword(Deed[None], frozen=True):
    """A new password; all sessions but one end."""

    answer = None
    user_id: int
    password_hash: str
    keep_session: str


class TryLogin(Deed[float], frozen=True):
    """An attempt to log in begins; answered by 0: it is counted, or by the seconds until one may."""

    answer = float
    attempt: str
    """Names it."""
    counted: tuple[tuple[str, int], ...]
    """What it counts for, and how many of each are let pass within the window."""
    window_s: float


class LoginFits(Deed[None], frozen=True):
    """It was the owner: the attempt does not count, nor what failed before for `forgotten`."""

    answer = None
    attempt: str
    forgotten: tuple[str, ...]


class BeginSession(Deed[None], frozen=True):
    """A user logged in."""

    answer = None
    session_hash: str
    user_id: int
    address: str
    browser: str
    old_session_hash: str
    """Of the same browser, ended by this; empty: none."""


class EndOwnSession(Deed[None], frozen=True):
    """The user logged out."""

    answer = None
    session_hash: str


class EndOtherSessions(Deed[None], frozen=True):
    """The user is logged out everywhere else."""

    answer = None
    user_id: int
    but: str


class NoteUse(Deed[None], frozen=True):
    """A session or token was used now; one of both is given."""

    answer = None
    session_hash: str = ""
    token_id: str = ""


class NoteRefusal(Deed[None], frozen=True):
    """A login or a token was refused, or many were."""

    answer = None
    action: Literal["session.refused", "token.refused"]
    subject: str
    facts: dict[str, str | int]


# Answers to requests that may be repeated.


class ClaimKey(Deed[Claim], frozen=True):
    """Take an idempotency key for a request, or find what was answered."""

    answer = Claim
    who: str
    key: str
    request: str
    """Hash of all that makes the request."""


class KeepAnswer(Deed[None], frozen=True):
    """What the request was answered."""

    answer = None
    who: str
    key: str
    status: int
    body: bytes


class ReleaseKey(Deed[None], frozen=True):
    """The request failed: it may be tried again with the same key."""

    answer = None
    who: str
    key: str


AccountDeed = (
    AddUser
    | ChangeUser
    | DeleteUser
    | MakeLink
    | UseLink
    | AddToken
    | RevokeToken
    | SetPassword
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
"""Of who may come in, and of requests that are repeated: they need the records alone."""

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
