"""Login attempts, counted exactly over all processes that share the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from emocx_pbx.store.connection import Connection


class LoginTries:
    """The part of the store about them."""

    def __init__(self, connection: Connection, now: Callable[[], float]) -> None:
        self._connection, self._now = connection, now

    async def begin(self, attempt: str, counted: Sequence[tuple[str, int]], window_s: float) -> float:
        """Count an attempt as it begins: many at the same moment must not all be tried.

        Args:
            attempt: identifies it.
            counted: the keys that it counts for, each with how many attempts are allowed within the window.
            window_s: length of the window in seconds.

        Returns:
            0: it is counted, and may go ahead. Else the seconds until one may: nothing was counted.
        """
        now, sql = self._now(), self._connection.sql
        keys = sorted(key for key, _ in counted)
        about = [f"login/{key}" for key in keys]
        for key, most in counted:  # a flood of refused attempts writes nothing
            tries = await self._connection.rows("tries_of", counts_for=key, since=now - window_s, most=most)
            if len(tries) >= most:
                return max(0.001, float(tries[-1]["at"]) + window_s - now)
        async with self._connection.transaction(durable=False, about=about) as c:
            await sql.forget_tries(c, before=now - window_s)
            wait_s = 0.0
            for key, most in counted:
                since = now - window_s
                tries = [row async for row in sql.tries_of(c, counts_for=key, since=since, most=most)]
                if len(tries) >= most:
                    wait_s = max(wait_s, tries[-1]["at"] + window_s - now)
            if not wait_s:
                for key in keys:
                    await sql.add_try(c, counts_for=key, attempt=attempt, at=now)
        return wait_s

    async def fits(self, attempt: str, forgotten: Sequence[str]) -> None:
        """The login succeeded: neither this attempt nor earlier failures for these keys count any more."""
        about = [f"login/{key}" for key in sorted(forgotten)]
        sql = self._connection.sql
        async with self._connection.transaction(durable=False, about=about) as c:
            for key in forgotten:
                await sql.forget_tries_of(c, counts_for=key)
            await sql.undo_try(c, attempt=attempt)
