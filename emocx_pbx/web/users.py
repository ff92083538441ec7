"""What a user's name and role must be like, wherever they are given. Pure."""

from __future__ import annotations

import re
from typing import Final

from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import ROLES, Role
from emocx_pbx.web.strings import t

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,63}")
LONGEST_AGENT: Final = 128


def checked_name(given: str) -> str:
    """A user's name as it is kept.

    Raises:
        InputError: other characters, or none.
    """
    name = given.strip()
    if not _NAME.fullmatch(name):
        raise InputError(t("account.name_rule"))
    return name


def checked_role(role: str, agent: str) -> tuple[Role, str | None]:
    """A role with its agent, which an agent's user needs.

    Raises:
        InputError: no such role, or the agent is missing.
    """
    found = next((r for r in ROLES if r == role), None)
    if found is None:
        raise InputError(t("admin.users.no_role"))
    if found == "agent" and not agent:
        raise InputError(t("admin.users.agent_missing"))
    return found, agent[:LONGEST_AGENT] or None
