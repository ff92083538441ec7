"""Deeds on API tokens: made with scopes and shown once, revoked."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from typing import Final

from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.accounts import Accounts

#: What an API token may be given.
SCOPES: Final = (
    "queries:write",
    "calls:place",
    "calls:read",
    "agents:read",
    "grades:write",
    "live:read",
    "webhooks:read",
    "webhooks:write",
    "reviews:read",
    "reviews:write",
    "models:write",
    "metrics:read",
)
#: Begins every token, so that scanners of leaked secrets know one.
PREFIX: Final = "emocx_"
LONGEST_NAME: Final = 80
LONGEST_DAYS: Final = 3650
DAY_S: Final = 86_400.0


async def add_token(
    accounts: Accounts, name: str, scopes: Collection[str], days: int, now: float, by: Actor
) -> str:
    """A new token; what is returned is nowhere else.

    Args:
        accounts: where its hash is kept.
        name: for people, 1 to 80 characters.
        scopes: of SCOPES.
        days: how long it holds; 0: until it is revoked.
        now: Unix seconds.
        by: who does it.

    Raises:
        InputError: no name, no scope, or no such time.
    """
    if not 1 <= len(name) <= LONGEST_NAME:
        raise InputError(f"A name has 1 to {LONGEST_NAME} characters.")
    wanted = [scope for scope in SCOPES if scope in scopes]
    if not wanted:
        raise InputError("Choose at least one scope.")
    if not 0 <= days <= LONGEST_DAYS:
        raise InputError(f"days: expected a whole number from 0 to {LONGEST_DAYS}")
    token = new_token(PREFIX)
    expires_at = now + days * DAY_S if days else None
    await accounts.add_api_token(
        f"tok_{secrets.token_hex(6)}", token_hash(token), name, wanted, expires_at, by
    )
    return token


async def revoke_token(accounts: Accounts, token_id: str, by: Actor) -> None:
    """The token holds no more; again changes nothing."""
    await accounts.revoke_api_token(token_id, by)


def new_token(prefix: str = "") -> str:
    """256 random bits for a session, a link or an API token."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """What is kept of a token; it is random, so a plain hash can't be guessed back."""
    return hashlib.sha256(token.encode()).hexdigest()
