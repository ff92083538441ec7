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
#: Seconds that a link is valid: it is used soon or not at all.
LINK_S: Final = 24 * 3600.0


async def add_user(
    accounts: Accounts, name: str, role: str, agent: str, by: Actor, queues: Sequence[str] = ()
) -> User:
    """Add a user, who sets a password through a link (`new_link`).

    Args:
        accounts: where users are kept.
        name: the login name.
        role: what the user may do.
        agent: for the role agent: the agent whose calls the user sees.
        by: who does it.
        queues: for a supervisor: the queues whose calls the user sees; none: all.

    Raises:
        InputError: there is no such role, the role agent is given without an agent or queues with another
            role than supervisor, or the name is taken or invalid.
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
    """Change a user's role, agent or team, or disable or enable the user.

    Raises:
        InputError: there is no such role or user, or no administrator would be left.
    """
    checked, whom = checked_role(role, agent)
    team = checked_queues(role, queues)
    return await accounts.change_user(user_id, checked, whom, disabled=disabled, by=by, queues=team)


async def delete_user(accounts: Accounts, user: User, by: Actor, themselves: int | None = None) -> None:
    """Remove a user; nobody can remove themselves.

    Args:
        accounts: where users are kept.
        user: the user to remove.
        by: who does it.
        themselves: the id of the user who does it; None: it is not a user (the command line).

    Raises:
        InputError: it is the user's own account, or no administrator would be left.
    """
    if user.user_id == themselves:
        raise InputError("You can't remove yourself.")
    await accounts.delete_user(user.user_id, by)


async def new_link(accounts: Accounts, user: User | None, now: float, by: Actor) -> str:
    """Make a one-time link and return its path; older links of the same user become void.

    Args:
        accounts: where links are kept.
        user: the user who sets a password through it; None: it makes the first administrator.
        now: Unix seconds.
        by: who does it.
    """
    token = new_token()
    await accounts.add_link(token_hash(token), user, now + LINK_S, by)
    return f"/link/{token}"


def checked_name(given: str) -> str:
    """A user's name as it is kept.

    Raises:
        InputError: it has other characters than allowed, or none.
    """
    name = given.strip()
    if not _NAME.fullmatch(name):
        raise InputError("A name has 1 to 64 letters, digits and . _ @ -, and begins with a letter or digit.")
    return name


def checked_role(role: str, agent: str) -> tuple[Role, str | None]:
    """A role with its agent, which an agent's user needs.

    Raises:
        InputError: there is no such role, or the agent is missing.
    """
    found = next((r for r in ROLES if r == role), None)
    if found is None:
        raise InputError("Choose a role.")
    if found == "agent" and not agent:
        raise InputError("An agent's user needs the agent, whose calls will be seen.")
    return found, agent[:LONGEST_AGENT] or None


def checked_queues(role: str, queues: Sequence[str]) -> tuple[str, ...] | None:
    """The queues given to a supervisor, each once; None, meaning all, if none is named.

    Raises:
        InputError: the role is another one, there are too many queues, or one is not the name of a queue.
    """
    named = tuple(sorted({name for queue in queues if (name := queue_name(queue))}))
    if not named:
        return None
    if role != "supervisor":
        raise InputError("Queues are given to supervisors; others see all calls, or their own.")
    if len(named) > MOST_QUEUES:
        raise InputError(f"At most {MOST_QUEUES} queues.")
    return named
