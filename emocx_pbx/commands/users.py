"""`emocx-pbx users list|add|passwd|link`: who may see the pages; also the way back in when nobody can log
in.
"""

from __future__ import annotations

import argparse
import getpass
import sys
import time
from typing import TYPE_CHECKING

from emocx_pbx.commands.shared import (
    add_common,
    existing_store,
    in_loop,
    local,
    read_settings,
    show,
    system_user,
    table,
)
from emocx_pbx.errors import InputError

if TYPE_CHECKING:
    from emocx_pbx.settings.settings import Settings
    from emocx_pbx.store.account_rows import User
    from emocx_pbx.store.accounts import Accounts


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the commands."""
    parser = commands.add_parser("users", help="who may see the pages: list, add, passwords, one-time links")
    inner = parser.add_subparsers(dest="users_command", required=True, metavar="COMMAND")
    add_common(inner.add_parser("list", help="all users"), in_loop(_list))
    adding = inner.add_parser("add", help="a new user, and the link by which they set their password")
    adding.add_argument("name")
    adding.add_argument("--role", choices=("admin", "supervisor", "agent"), default="supervisor")
    adding.add_argument("--agent", metavar="NAME", default="", help="with --role agent: their name in grades")
    adding.add_argument(
        "--queue", metavar="QUEUE", action="append", default=[],
        help="with --role supervisor: sees this queue's calls alone; may be given again",
    )  # fmt: skip
    add_common(adding, in_loop(_add))
    passwd = inner.add_parser("passwd", help="set a password: asked for, or the first line of standard input")
    passwd.add_argument("name")
    add_common(passwd, in_loop(_passwd), json=False)
    link = inner.add_parser(
        "link", help="a one-time link to set a password, or to make the first administrator"
    )
    link.add_argument("name", nargs="?", help="left out: it makes the first administrator")
    add_common(link, in_loop(_link))


async def _list(args: argparse.Namespace) -> int:
    async with existing_store(read_settings(args)) as store:
        users = await store.accounts.users()
    rows = [(u.name, u.role, _sees(u), _state(u), local(u.created_at)) for u in users]
    show(args, {"users": users}, lambda: table(("name", "role", "sees", "state", "made"), rows, "no users"))
    return 0


async def _add(args: argparse.Namespace) -> int:
    from emocx_pbx.deeds.users import add_user

    settings = read_settings(args)
    async with existing_store(settings) as store:
        user = await add_user(store.accounts, args.name, args.role, args.agent, system_user(), args.queue)
        return await _show_link(args, settings, store.accounts, user)


async def _passwd(args: argparse.Namespace) -> int:
    from emocx_pbx.web.identity.passwords import Passwords

    async with existing_store(read_settings(args)) as store:
        user = await _user(store.accounts, args.name)
        kept = await Passwords().hash(_asked())
        await store.accounts.set_password(user.user_id, kept, system_user())
    print(f"{user.name}: the password is set, all sessions ended")
    return 0


async def _link(args: argparse.Namespace) -> int:
    settings = read_settings(args)
    async with existing_store(settings) as store:
        if args.name is None and await store.accounts.has_users():
            raise InputError("users link: there are users already: say whose")
        user = await _user(store.accounts, args.name) if args.name else None
        return await _show_link(args, settings, store.accounts, user)


async def _show_link(
    args: argparse.Namespace, settings: Settings, accounts: Accounts, user: User | None
) -> int:
    from emocx_pbx.deeds.users import LINK_S, new_link
    from emocx_pbx.web.identity.links import public_url

    now = time.time()
    path = await new_link(accounts, user, now, system_user())
    address = public_url(settings.http, settings.http.port) + path
    answer = {"user": user.name if user else None, "link": address, "expires_at": now + LINK_S}
    show(args, answer, lambda: f"open once, before {local(now + LINK_S)}:\n{address}")
    return 0


async def _user(accounts: Accounts, name: str) -> User:
    found = await accounts.user_named(name)
    if found is None:
        raise InputError(f"there is no user {name}")
    return found


def _asked() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("new password: ")
    if password != getpass.getpass("the same again: "):
        raise InputError("the two passwords differ")
    return password


def _sees(user: User) -> str:
    return (
        user.agent or "" if user.role == "agent" else "all" if user.queues is None else ", ".join(user.queues)
    )


def _state(user: User) -> str:
    if user.disabled_at is not None:
        return "disabled"
    return "active" if user.has_password else "no password yet"
