"""The navigation: what each role finds at the top of every page. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from emocx_pbx.store.account_rows import Role, User


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """One entry; its text is `common.navigation.<key>`."""

    key: str
    href: str
    roles: frozenset[Role]
    current: bool = False
    """Whether the page shown is under it."""


_LEADS: Final[frozenset[Role]] = frozenset({"admin", "supervisor"})

#: In the order shown.
ENTRIES: Final = (
    MenuEntry("live", "/live", _LEADS),
    MenuEntry("calls", "/calls", frozenset({"admin", "supervisor", "agent"})),
    MenuEntry("me", "/agents/me", frozenset({"agent"})),
    MenuEntry("agents", "/agents", _LEADS),
    MenuEntry("queues", "/queues", _LEADS),
    MenuEntry("benefit", "/benefit", _LEADS),
    MenuEntry("review", "/review", _LEADS),
    MenuEntry("admin", "/admin", frozenset({"admin"})),
)

#: The first page of each role after login.
HOME: Final[dict[Role, str]] = {"admin": "/live", "supervisor": "/live", "agent": "/agents/me"}


def navigation(user: User | None, path: str) -> list[MenuEntry]:
    """The entries of a user's role, with the one that the path is under marked; none before login."""
    if user is None:
        return []
    shown = [e for e in ENTRIES if user.role in e.roles]
    under = [e for e in shown if path == e.href or path.startswith(f"{e.href}/")]
    current = max(under, key=lambda e: len(e.href)).key if under else ""
    return [MenuEntry(e.key, e.href, e.roles, e.key == current) for e in shown]
