"""Accounts in the store: users, their sessions and one-time links, and API tokens.

Secrets are passed in as hashes. Every change is written in one transaction with its audit entry.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

import msgspec

from emocx_pbx.errors import InputError
from emocx_pbx.store.account_rows import Actor, ApiToken, OneTimeLink, Role, SessionRow, User
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.connection import Connection, Row, Session


class Accounts:
    """Who may view and change things, and with which credentials."""

    def __init__(self, connection: Connection, now: Callable[[], float], audit: AuditLog) -> None:
        self._connection, self._now, self._log = connection, now, audit

    @property
    def _sql(self) -> Any:
        return self._connection.sql

    # Users.

    async def users(self) -> list[User]:
        """All users by name."""
        return [_user(row) for row in await self._connection.rows("users")]

    async def has_users(self) -> bool:
        """Whether the first administrator was made."""
        return bool(await self._connection.rows("users"))

    async def user(self, user_id: int) -> User | None:
        """A user by id."""
        row = await self._connection.row("user_by_id", user_id=user_id)
        return _user(row) if row else None

    async def user_named(self, name: str) -> User | None:
        """A user by name, whatever its case."""
        row = await self._connection.row("user_by_name", name=name)
        return _user(row) if row else None

    async def password_hash(self, name: str) -> tuple[User, str | None] | None:
        """A user and the hash of the password; None for an unknown name."""
        row = await self._connection.row("user_by_name", name=name)
        return (_user(row), row["password_hash"]) if row else None

    async def add_user(
        self,
        name: str,
        role: Role,
        agent: str | None,
        password_hash: str | None,
        by: Actor,
        queues: Collection[str] | None = None,
    ) -> User:
        """Add a user; `queues` are those given to a supervisor, None gives all.

        Raises:
            InputError: the name is taken.
        """
        at = self._now()
        async with self._connection.transaction() as c:
            if await self._sql.user_by_name(c, name=name):
                raise InputError(f"there is a user {name} already")
            user_id: int = await self._sql.add_user(
                c, name=name, role=role, agent=agent, queues=_kept(queues), password_hash=password_hash, at=at
            )
            given = None if queues is None else tuple(queues)
            user = User(user_id, name, role, agent, password_hash is not None, at, None, given)
            await self._log.note(c, by, "user.added", name, None, _audited(user))
        return user

    async def change_user(
        self,
        user_id: int,
        role: Role,
        agent: str | None,
        *,
        disabled: bool,
        by: Actor,
        queues: Collection[str] | None = None,
    ) -> User:
        """Change what a user may do; sessions end at once if the user is disabled or the role or team
        changes.

        Raises:
            InputError: no administrator would be left.
        """
        async with self._connection.transaction() as c:
            before = await self._existing(c, user_id)
            if before.role == "admin" and (role != "admin" or disabled):
                await self._keep_an_admin(c, user_id)
            disabled_at = (before.disabled_at or self._now()) if disabled else None
            await self._sql.change_user(
                c, user_id=user_id, role=role, agent=agent, queues=_kept(queues), disabled_at=disabled_at
            )
            given = None if queues is None else tuple(queues)
            after = msgspec.structs.replace(
                before, role=role, agent=agent, queues=given, disabled_at=disabled_at
            )
            if (role, agent, given) != (before.role, before.agent, before.queues) or disabled:
                await self._sql.end_sessions_of(c, user_id=user_id, but="")
            await self._log.note(c, by, "user.changed", before.name, _audited(before), _audited(after))
        return after

    async def delete_user(self, user_id: int, by: Actor) -> None:
        """Remove a user with all their sessions and links; the audit log keeps the name.

        Raises:
            InputError: no administrator would be left.
        """
        async with self._connection.transaction() as c:
            before = await self._existing(c, user_id)
            if before.role == "admin":
                await self._keep_an_admin(c, user_id)
            await self._sql.delete_user(c, user_id=user_id)
            await self._log.note(c, by, "user.deleted", before.name, _audited(before), None)

    async def set_password(
        self, user_id: int, password_hash: str, by: Actor, *, keep_session: str = ""
    ) -> None:
        """Set a new password; all of the user's sessions but one end, and open links become void."""
        async with self._connection.transaction() as c:
            user = await self._existing(c, user_id)
            await self._sql.set_password(c, user_id=user_id, password_hash=password_hash)
            await self._sql.end_sessions_of(c, user_id=user_id, but=keep_session)
            await self._sql.drop_links(c, user_id=user_id, now=self._now())
            await self._log.note(c, by, "user.password", user.name)

    async def _existing(self, c: Session, user_id: int) -> User:
        row = await self._sql.user_by_id(c, user_id=user_id)
        if row is None:
            raise InputError("there is no such user (any more)")
        return _user(row)

    async def _keep_an_admin(self, c: Session, user_id: int) -> None:
        if not await self._sql.other_admins(c, user_id=user_id):
            raise InputError("this is the last administrator who can log in")

    async def known_agents(self) -> list[str]:
        """Names of agents that have had a call, for whom users can be made."""
        return [row["agent"] for row in await self._connection.rows("known_agents")]

    # Sessions.

    async def add_session(self, session_hash: str, user: User, address: str, agent: str, by: Actor) -> None:
        """A user logged in."""
        async with self._connection.transaction() as c:
            await self._sql.add_session(
                c, session_hash=session_hash, user_id=user.user_id, at=self._now(), address=address,
                agent=agent[:200],
            )  # fmt: skip
            await self._log.note(c, by, "session.began", user.name)

    async def session(
        self, session_hash: str, seen_after: float, created_after: float
    ) -> tuple[User, SessionRow] | None:
        """The user of a session, if that has not expired."""
        row = await self._connection.row(
            "session_user", session_hash=session_hash, seen_after=seen_after, created_after=created_after
        )
        if row is None:
            return None
        seen = SessionRow(session_hash, row["session_created_at"], row["session_seen_at"], "", "")
        return _user(row), seen

    async def living(self, seen_after: float, created_after: float) -> frozenset[str]:
        """Hashes of all sessions and ids of all API tokens that are valid now."""
        sessions = await self._connection.rows(
            "living_sessions", seen_after=seen_after, created_after=created_after
        )
        tokens = await self._connection.rows("living_tokens", now=self._now())
        return frozenset(row["held"] for row in (*sessions, *tokens))

    async def sessions_of(self, user_id: int) -> list[SessionRow]:
        """A user's sessions, the one used last first."""
        return [
            SessionRow(r["session_hash"], r["created_at"], r["last_seen_at"], r["address"], r["agent"])
            for r in await self._connection.rows("sessions_of", user_id=user_id)
        ]

    async def touch_session(self, session_hash: str) -> None:
        """The session was used now."""
        async with self._connection.transaction(durable=False, about=()) as c:
            await self._sql.touch_session(c, session_hash=session_hash, at=self._now())

    async def end_session(self, session_hash: str, by: Actor) -> None:
        """The user logged out."""
        async with self._connection.transaction() as c:
            await self._sql.end_session(c, session_hash=session_hash)
            await self._log.note(c, by, "session.ended", by.name)

    async def end_sessions_of(self, user: User, by: Actor, *, but: str = "") -> None:
        """End a user's sessions, all but one."""
        async with self._connection.transaction() as c:
            await self._sql.end_sessions_of(c, user_id=user.user_id, but=but)
            await self._log.note(c, by, "session.ended_all", user.name)

    async def end_old_sessions(self, seen_after: float, created_after: float) -> None:
        """Drop rows of sessions that expired."""
        async with self._connection.transaction(durable=False) as c:
            await self._sql.end_old_sessions(c, seen_after=seen_after, created_after=created_after)

    # One-time links.

    async def add_link(self, link_hash: str, user: User | None, expires_at: float, by: Actor) -> None:
        """Add a link through which a password is set; without a user, that of the first administrator."""
        user_id = user.user_id if user else None
        async with self._connection.transaction() as c:
            await self._sql.drop_links(c, user_id=user_id, now=self._now())
            await self._sql.add_link(
                c, link_hash=link_hash, user_id=user_id, at=self._now(), expires_at=expires_at
            )
            await self._log.note(
                c, by, "link.made", user.name if user else "(first administrator)", None, None
            )

    async def link(self, link_hash: str) -> OneTimeLink | None:
        """A link that is neither used nor expired; None: there is none."""
        row = await self._connection.row("link", link_hash=link_hash, now=self._now())
        if row is None:
            return None
        user = await self.user(row["user_id"]) if row["user_id"] is not None else None
        return OneTimeLink(link_hash, user, row["expires_at"])

    async def use_link(self, link: OneTimeLink, name: str, password_hash: str, by: Actor) -> User:
        """Set the password of the link's user, or make the first administrator; this uses up the link.

        Raises:
            InputError: the link was used or has expired meanwhile.
        """
        async with self._connection.transaction() as c:
            if not await self._sql.use_link(c, link_hash=link.link_hash):
                raise InputError("this link was used already")
            if link.user is None:
                if await self._sql.has_user(c):
                    raise InputError("there is an administrator already")
                at = self._now()
                user_id: int = await self._sql.add_user(
                    c, name=name, role="admin", agent=None, queues=None, password_hash=password_hash, at=at
                )
                user = User(user_id, name, "admin", None, True, at, None)
                await self._log.note(c, by, "user.added", name, None, _audited(user))
                return user
            await self._sql.set_password(c, user_id=link.user.user_id, password_hash=password_hash)
            await self._sql.end_sessions_of(c, user_id=link.user.user_id, but="")
            await self._log.note(c, by, "user.password", link.user.name)
            return link.user

    # API tokens.

    async def add_api_token(
        self,
        token_id: str,
        token_hash: str,
        name: str,
        scopes: Sequence[str],
        expires_at: float | None,
        by: Actor,
    ) -> ApiToken:
        """Add an API token."""
        at = self._now()
        token = ApiToken(token_id, name, tuple(scopes), by.name, at, expires_at, None, None)
        async with self._connection.transaction() as c:
            await self._sql.add_api_token(
                c, token_id=token_id, token_hash=token_hash, name=name,
                scopes=msgspec.json.encode(scopes).decode(), created_by=by.name, at=at, expires_at=expires_at,
            )  # fmt: skip
            await self._log.note(c, by, "token.added", name, None, {"id": token_id, "scopes": list(scopes)})
        return token

    async def api_tokens(self) -> list[ApiToken]:
        """All tokens, those revoked last."""
        return [_token(row) for row in await self._connection.rows("api_tokens")]

    async def valid_api_token(self, token_hash: str) -> ApiToken | None:
        """The token of a request, if it is valid now."""
        row = await self._connection.row("valid_api_token", token_hash=token_hash, now=self._now())
        return _token(row) if row else None

    async def touch_api_token(self, token_id: str) -> None:
        """The token was used now."""
        async with self._connection.transaction(durable=False, about=()) as c:
            await self._sql.touch_api_token(c, token_id=token_id, at=self._now())

    async def revoke_api_token(self, token_id: str, by: Actor) -> None:
        """Revoke the token; repeating this changes nothing."""
        async with self._connection.transaction() as c:
            row = await self._sql.api_token(c, token_id=token_id)
            if row and await self._sql.revoke_api_token(c, token_id=token_id, at=self._now()):
                await self._log.note(c, by, "token.revoked", row["name"], {"id": token_id}, None)


def _user(row: Row) -> User:
    return User(
        row["user_id"], row["name"], row["role"], row["agent"], row["password_hash"] is not None,
        row["created_at"], row["disabled_at"],
        None if row["queues"] is None else tuple(msgspec.json.decode(row["queues"])),
    )  # fmt: skip


def _kept(queues: Collection[str] | None) -> str | None:
    return None if queues is None else msgspec.json.encode(list(queues)).decode()


def _audited(user: User) -> dict[str, Any]:
    facts = {"role": user.role, "agent": user.agent, "disabled": user.disabled_at is not None}
    return facts if user.queues is None else {**facts, "queues": list(user.queues)}


def _token(row: Row) -> ApiToken:
    return ApiToken(
        row["token_id"], row["name"], tuple(msgspec.json.decode(row["scopes"])), row["created_by"],
        row["created_at"], row["expires_at"], row["last_used_at"], row["revoked_at"],
    )  # fmt: skip
