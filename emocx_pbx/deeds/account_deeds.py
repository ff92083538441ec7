"""Deeds about who may log in, and about repeated requests: they need nothing but the records.

So a web node does them itself, and nobody who logs in has to wait for a controller.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, assert_never

from emocx_pbx.deeds import tokens, users
from emocx_pbx.deeds.deed import (
    AccountDeed,
    AddToken,
    AddUser,
    BeginSession,
    ChangeUser,
    ClaimKey,
    DeleteUser,
    EndOtherSessions,
    EndOwnSession,
    KeepAnswer,
    LoginDeed,
    LoginFits,
    MakeLink,
    NoteRefusal,
    NoteUse,
    ReleaseKey,
    RevokeToken,
    SetPassword,
    TryLogin,
    UseLink,
    UserDeed,
)
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.settings.in_force import SettingsInForce
from emocx_pbx.store.account_rows import Actor, User
from emocx_pbx.store.database import Store


@dataclass(frozen=True, slots=True)
class AccountDeeds:
    """Works on a store that can be written to."""

    store: Store
    in_force: SettingsInForce
    now: Callable[[], float] = time.time
    """Unix seconds."""

    async def done(self, deed: AccountDeed, by: Actor) -> Any:
        """Do the deed; returns its answer.

        Raises:
            EmocxError: as raised by the deed's own function.
        """
        if isinstance(deed, UserDeed):
            return await self._on_users(deed, by)
        return await self._on_logins(deed, by)

    async def _on_users(self, deed: UserDeed, by: Actor) -> Any:
        accounts, now = self.store.accounts, self.now()
        match deed:
            case AddUser(name, role, agent, queues):
                return await users.add_user(accounts, name, role, agent, by, queues)
            case ChangeUser(user_id, role, agent, disabled, queues):
                return await users.change_user(
                    accounts, user_id, role, agent, by, disabled=disabled, queues=queues
                )
            case DeleteUser(user_id, themselves):
                return await users.delete_user(accounts, await self._user(user_id), by, themselves)
            case MakeLink(user_id):
                user = None if user_id is None else await self._user(user_id)
                return await users.new_link(accounts, user, now, by)
            case UseLink(link_hash, name, password_hash):
                link = await accounts.link(link_hash)
                if link is None:
                    raise InputError("this link was used already")
                return await accounts.use_link(link, name, password_hash, by)
            case AddToken(name, scopes, days):
                return await tokens.add_token(accounts, name, scopes, days, now, by)
            case RevokeToken(token_id):
                return await tokens.revoke_token(accounts, token_id, by)
            case _:
                assert_never(deed)

    async def _on_logins(self, deed: LoginDeed, by: Actor) -> Any:
        store, accounts = self.store, self.store.accounts
        match deed:
            case SetPassword(user_id, password_hash, keep_session):
                return await accounts.set_password(user_id, password_hash, by, keep_session=keep_session)
            case TryLogin(attempt, counted, window_s):
                return await store.login_tries.begin(attempt, counted, window_s)
            case LoginFits(attempt, forgotten):
                return await store.login_tries.fits(attempt, forgotten)
            case BeginSession():
                return await self._begin_session(deed, by)
            case EndOwnSession(session_hash):
                return await accounts.end_session(session_hash, by)
            case EndOtherSessions(user_id, but):
                return await accounts.end_sessions_of(await self._user(user_id), by, but=but)
            case NoteUse(session_hash, token_id):
                if session_hash:
                    await accounts.touch_session(session_hash)
                if token_id:
                    await accounts.touch_api_token(token_id)
                return None
            case NoteRefusal(action, subject, facts):
                return await store.audit.add(by, action, subject, None, facts)
            case ClaimKey(who, key, request):
                return await store.idempotency.claim(who, key, request)
            case KeepAnswer(who, key, status, body):
                return await store.idempotency.keep(who, key, status, body)
            case ReleaseKey(who, key):
                return await store.idempotency.release(who, key)
            case _:
                assert_never(deed)

    async def _begin_session(self, deed: BeginSession, by: Actor) -> None:
        accounts, http, now = self.store.accounts, self.in_force.settings.http, self.now()
        if deed.old_session_hash:
            await accounts.end_session(deed.old_session_hash, by)
        await accounts.end_old_sessions(now - http.session_idle_s, now - http.session_max_s)
        user = await self._user(deed.user_id)
        await accounts.add_session(deed.session_hash, user, deed.address, deed.browser, by)

    async def _user(self, user_id: int) -> User:
        found = await self.store.accounts.user(user_id)
        if found is None:
            raise NotFoundError("there is no such user (any more)")
        return found
