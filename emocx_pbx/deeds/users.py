"""Deeds on users: who may log in, as what, and the one-time links by which passwords are set."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from emocx_pbx.deeds.tokens import new_token, token_hash
from emocx_pbx.errors import InputError
from emocx_pbx.settings.names import queue_name
from emocx_pbx.store.account_rows import ROLES, Actor, Role, User
from emocx_pbx.store.accounts import Accounts

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
LONGEST_AGENT: Final = 128
MOST_QUEUES: Final = 200
#: A link is used at once or not at all.
LINK_S: Final = 24 * 3600.0


async def add_user(
    accounts: Accounts, name: str, role: str, agent: str, by: Actor, queues: Sequence[str] = ()
) -> User:
    """A new user, who sets a password by a link (`new_link`).

    Args:
        accounts: where users are kept.
        name: to log in by.
        role: what the user may.
        agent: of an agent's user: whose calls are seen.
        by: who does it.
        queues: of a supervisor: those whose calls are seen; none: all.

    Raises:
        InputError: no such role, an agent's user without the agent, queues for another than a supervisor, or
            the name is taken or none.
    """
    checked, whom = checked_role(role, agent)
    return await accounts.add_user(checked_name(name), checked, whom, None, by, checked_queues(role, queues))


async def change_user(
    accounts: Accounts,
    user_id: int,
    role: str,
    agent: str,
    by: Actor,
    *,
    disabled: bool,
    queues: Sequence[str] = (),
) -> User:
    """Another role, agent or team, disabled or enabled again.

    Raises:
        InputError: no such role or user, or nobody could administer any more.
    """
    checked, whom = checked_role(role, agent)
    team = checked_queues(role, queues)
    return await accounts.change_user(user_id, checked, whom, disabled=disabled, by=by, queues=team)


async def delete_user(accounts: Accounts, user: User, by: Actor, themselves: int | None = None) -> None:
    """Remove a user, but never oneself.

    Args:
        accounts: where users are kept.
        user: whom.
        by: who does it.
        themselves: the id of the user who does it; None: nobody's (the command line).

    Raises:
        InputError: it is oneself, or nobody could administer any more.
    """
    if user.user_id == themselves:
        raise InputError("You can't remove yourself.")
    await accounts.delete_user(user.user_id, by)


async def new_link(accounts: Accounts, user: User | None, now: float, by: Actor) -> str:
    """The path of a new one-time link; older ones of the same user are void.

    Args:
        accounts: where links are kept.
        user: who sets a password by it; None: it makes the first administrator.
        now: Unix seconds.
        by: who does it.
    """
    token = new_token()
    await accounts.add_link(token_hash(token), user, now + LINK_S, by)
    return f"/link/{token}"


def checked_name(given: str) -> str:
    """A user's name as it is kept.

    Raises:
        InputError: other characters, or none.
    """
    name = given.strip()
    if not _NAME.fullmatch(name):
        raise InputError("A name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit.")
    return name


def checked_role(role: str, agent: str) -> tuple[Role, str | None]:
    """A role with its agent, which an agent's user needs.

    Raises:
        InputError: no such role, or the agent is missing.
    """
    found = next((r for r in ROLES if r == role), None)
    if found is None:
        raise InputError("Choose a role.")
    if found == "agent" and not agent:
        raise InputError("An agent's user needs the agent, whose calls will be seen.")
    return found, agent[:LONGEST_AGENT] or None


def checked_queues(role: str, queues: Sequence[str]) -> tuple[str, ...] | None:
    """The queues given to a supervisor, each once; None, which is all, where none is named.

    Raises:
        InputError: another role, too many, or no name of a queue.
    """
    named = tuple(sorted({name for queue in queues if (name := queue_name(queue))}))
    if not named:
        return None
    if role != "supervisor":
        raise InputError("Queues are given to supervisors; others see all calls, or their own.")
    if len(named) > MOST_QUEUES:
        raise InputError(f"At most {MOST_QUEUES} queues.")
    return named
