"""Rows about accounts as the store returns them: typed, immutable, and without any hash of a secret."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import msgspec

Role = Literal["admin", "supervisor", "agent"]
ROLES: tuple[Role, ...] = get_args(Role)


class User(msgspec.Struct, frozen=True):
    """A user: who may log in, and in which role."""

    user_id: int
    name: str
    role: Role
    agent: str | None
    """The agent's name in grades; always set for the role agent."""
    has_password: bool
    created_at: float
    disabled_at: float | None
    queues: tuple[str, ...] | None = None
    """The queues given to a supervisor; None: all."""


@dataclass(frozen=True, slots=True)
class Actor:
    """The author of a change, and where it came from."""

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
    """The browser's User-Agent."""


@dataclass(frozen=True, slots=True)
class OneTimeLink:
    """A link through which a password is set."""

    link_hash: str
    user: User | None
    """None: it makes the first administrator."""
    expires_at: float


@dataclass(frozen=True, slots=True)
class ApiToken:
    """The credential of a program; the token itself is known only to its owner."""

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
    """One change: who, from where, what, and the state before and after (JSON)."""

    audit_id: int
    at: float
    actor: str
    address: str
    action: str
    subject: str
    before: str | None
    after: str | None
