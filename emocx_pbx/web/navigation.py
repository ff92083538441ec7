"""The navigation: what each role finds at the top of every page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emocx_pbx.store.account_rows import Role, User


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry; its text is `common.navigation.<key>`."""

    key: str
    href: str
    roles: frozenset[Role]
    current: bool = False
    """The page shown lies under it."""


_LEADS: Final[frozenset[Role]] = frozenset({"admin", "supervisor"})

#: In the order shown.
ENTRIES: Final = (
    Entry("live", "/live", _LEADS),
    Entry("calls", "/calls", frozenset({"admin", "supervisor", "agent"})),
    Entry("me", "/agents/me", frozenset({"agent"})),
    Entry("agents", "/agents", _LEADS),
    Entry("queues", "/queues", _LEADS),
    Entry("benefit", "/benefit", _LEADS),
    Entry("review", "/review", _LEADS),
    Entry("admin", "/admin", frozenset({"admin"})),
)

#: Where a role begins after login.
HOME: Final[dict[Role, str]] = {"admin": "/live", "supervisor": "/live", "agent": "/agents/me"}


def navigation(user: User | None, path: str) -> list[Entry]:
    """The entries of a user's role, the one that a path lies under marked; none before login."""
    if user is None:
        return []
    shown = [e for e in ENTRIES if user.role in e.roles]
    under = [e for e in shown if path == e.href or path.startswith(f"{e.href}/")]
    current = max(under, key=lambda e: len(e.href)).key if under else ""
    return [Entry(e.key, e.href, e.roles, e.key == current) for e in shown]
