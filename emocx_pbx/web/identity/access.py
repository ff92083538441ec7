"""Who may call a handler: marks that handlers carry and authentication reads.

Every handler carries one mark; one without is refused to everybody, and a test fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiohttp import web

from emocx_pbx.deeds.tokens import SCOPES as SCOPES
from emocx_pbx.store.account_rows import Role

H = TypeVar("H", bound=Callable[..., Any])

_MARK: Final = "emocx_access"

FRAME_ANCESTORS: web.RequestKey[str] = web.RequestKey("frame_ancestors", str)
"""Set by a handler whose page other sites may frame: their origins, in CSP syntax."""


@dataclass(frozen=True, slots=True)
class Access:
    """Who may call a handler."""

    roles: frozenset[Role] = frozenset()
    """Roles whose users may, by their session."""
    scope: str = ""
    """Scope with which API tokens may."""
    public: bool = False
    """Whether everybody may."""
    csrf: bool = True
    """Whether a change by a browser needs the form's token; False only where no session gives any right."""


def public(handler: H) -> H:
    """Everybody may call it, and a POST still needs the form's token."""
    return _mark(handler, Access(public=True))


def public_without_form(handler: H) -> H:
    """Everybody may call it, even from another site's page: a session must not give any right here."""
    return _mark(handler, Access(public=True, csrf=False))


def allow(*roles: Role) -> Callable[[H], H]:
    """Users of these roles may call it."""
    return lambda handler: _mark(handler, Access(frozenset(roles)))


def scoped(scope: str, *roles: Role) -> Callable[[H], H]:
    """API tokens with this scope may call it, and users of these roles."""
    if scope not in SCOPES:
        raise ValueError(scope)
    return lambda handler: _mark(handler, Access(frozenset(roles), scope))


def access_of(request: web.Request) -> Access:
    """The mark of the handler that a request goes to; one that admits nobody if it has none."""
    return access_of_handler(request.match_info.handler)


def access_of_handler(handler: Callable[..., Any]) -> Access:
    """A handler's mark; one that admits nobody if it has none."""
    found = getattr(handler, _MARK, None)
    return found if isinstance(found, Access) else Access()


def _mark(handler: H, access: Access) -> H:
    setattr(handler, _MARK, access)
    return handler
