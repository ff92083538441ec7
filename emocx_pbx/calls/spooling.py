"""Writes what a spool keeps: in the process that kept it, or in the next one after its end.

Changes are idempotent, and the file has them all in order: writing it again after a crash gives the same
rows, with each event and webhook once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

import structlog

from emocx_pbx.calls.effects import Write
from emocx_pbx.calls.spool import Spool, Spooled
from emocx_pbx.calls.spool_erasure import erased_since, unnamed
from emocx_pbx.calls.writing import Writing, calls_of
from emocx_pbx.errors import LeaseLost, StoreError, StoreUnavailable
from emocx_pbx.store.audit import AuditLog
from emocx_pbx.store.fence import Term
from emocx_pbx.store.leases import Leases

log = structlog.get_logger()

#: Changes written before an earlier process's lease is renewed again.
PIECE = 50


async def _no_matter() -> None:
    pass


def _as_it_is(write: Write) -> Write | None:
    return write


class Spooling:
    """A ledger's keeper."""

    def __init__(self, spool: Spool, writing: Writing, term_of: Callable[[str], Term]) -> None:
        """`term_of` gives the term in which we act for a call's PBX, or raises LeaseLost if another
        controller does.
        """
        self._spool, self._writing, self._term_of = spool, writing, term_of

    def keep(self, writes: Sequence[Write]) -> bool:
        """Append changes; those of calls that are not ours are set aside."""
        ours: list[Spooled] = []
        for write in writes:
            try:
                ours.append(Spooled(write, self._term(write)))
            except LeaseLost:
                self.aside([write])
        return self._spool.keep(ours)

    def aside(self, writes: Sequence[Write]) -> None:
        """Set them aside for people to look at."""
        self._spool.aside(Spooled(write, None) for write in writes)

    def clear(self) -> None:
        """Empty the spool: all is written."""
        self._spool.clear()

    async def write_all(self) -> None:
        """Write what is kept; changes of terms that are over are set aside."""
        await write_kept(self._spool, self._writing)

    def _term(self, write: Write) -> Term | None:
        calls = calls_of(write)
        return self._term_of(calls[0]) if calls else None


async def write_kept(
    spool: Spool,
    writing: Writing,
    before_each: Callable[[], Awaitable[None]] = _no_matter,
    change: Callable[[Write], Write | None] = _as_it_is,
) -> tuple[int, int]:
    """Write all that a spool holds, in order; changes of terms that are over are set aside.

    Args:
        spool: left as it is; `clear` it afterwards.
        writing: carries out changes.
        before_each: awaited before each PIECE changes.
        change: what is written of a change; None: nothing.

    Returns:
        How many were written, and how many set aside or refused for good.

    Raises:
        StoreUnavailable: the database does not accept them now; start over later.
    """
    written, refused = 0, 0
    for number, kept in enumerate(spool.read()):
        if number % PIECE == 0:
            await before_each()
        if (write := change(kept.write)) is None:
            continue
        try:
            await writing.write_in_term(write, kept.term)
            written += 1
        except StoreUnavailable:
            raise
        except LeaseLost:
            spool.aside([Spooled(write, kept.term)])
            refused += 1
        except StoreError as error:
            log.error("kept change not written", key="spool.failed", why=str(error))
            refused += 1
    return written, refused


async def write_what_an_earlier_life_kept(
    spool: Spool, writing: Writing, leases: Leases, ttl_s: float, audit: AuditLog
) -> None:
    """Before acting for any PBX: write what a process left behind that ended while the database was
    unreachable.

    Its terms are continued for that if nobody has acted since; otherwise writing is up to another controller.
    If a customer was erased since, no change names its customer any more.

    Raises:
        StoreUnavailable: the database does not accept it now; everything stays as it is.
    """
    if not spool:
        return
    change = unnamed if await erased_since(spool.path, audit) else _as_it_is
    terms = {kept.term for kept in spool.read() if kept.term is not None}

    async def renew() -> None:
        for term in terms:
            await leases.renew(term, ttl_s)

    written, refused = await write_kept(spool, writing, renew, change)
    spool.clear()
    for term in terms:
        await leases.give_back(term)
    log.warning(
        "changes of an earlier life are written", key="spool.written", number=written, refused=refused
    )
