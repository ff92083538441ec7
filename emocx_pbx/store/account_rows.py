"""What the store hands back of accounts: typed, immutable, and without any hash of a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

Role = Literal["admin", "supervisor", "agent"]
ROLES: tuple[Role, ...] = get_args(Role)


class User(msgspec.Struct, frozen=True):
    """Who may log in, and as what."""

    user_id: int
    name: str
    role: Role
    agent: str | None
    """The agent's name in grades; for the role agent always there."""
    has_password: bool
    created_at: float
    disabled_at: float | None
    queues: tuple[str, ...] | None = None
    """The queues given to a supervisor; None: all."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who makes a change, and from where."""

    name: str
    address: str


@dataclass(frozen=True, slots=True)
class SessionRow:
    """One browser's session."""

    session_hash: str
    created_at: float
    last_seen_at: float
    address: str
    agent: str
    """What the browser calls itself."""


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link by which a password is set."""

    link_hash: str
    user: User | None
    """None: it makes the first administrator."""
    expires_at: float


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What a program is let in by; the token itself is known to nobody but its owner."""

    token_id: str
    name: str
    scopes: tuple[str, ...]
    created_by: str
    created_at: float
    expires_at: float | None
    last_used_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One change: who, from where, what, and how it stood before and after (JSON)."""

    audit_id: int
    at: float
    actor: str
    address: str
    action: str
    subject: str
    before: str | None
    after: str | None
