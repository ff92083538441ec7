"""Deeds on API tokens: making them with scopes, shown only once, and revoking them."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection
from typing import Final

from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.accounts import Accounts

#: The scopes that an API token may have.
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
#: The prefix of every token, by which scanners for leaked secrets recognise one.
PREFIX: Final = "emocx_"
LONGEST_NAME: Final = 80
LONGEST_DAYS: Final = 3650
DAY_S: Final = 86_400.0


async def add_token(
    accounts: Accounts, name: str, scopes: Collection[str], days: int, now: float, by: Actor
) -> str:
    """Make a token; the returned value is stored nowhere.

    Args:
        accounts: where its hash is kept.
        name: a label for people, 1 to 80 characters.
        scopes: of SCOPES.
        days: how long it is valid; 0: until it is revoked.
        now: Unix seconds.
        by: who does it.

    Raises:
        InputError: the name, a scope or the number of days is missing or invalid.
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
    """Revoke a token; repeating this changes nothing."""
    await accounts.revoke_api_token(token_id, by)


def new_token(prefix: str = "") -> str:
    """256 random bits for a session, a link or an API token."""
    return prefix + secrets.token_urlsafe(32)


def token_hash(token: str) -> str:
    """The hash that is stored of a token; tokens are random, so a plain hash can't be reversed by
    guessing.
    """
    return hashlib.sha256(token.encode()).hexdigest()
