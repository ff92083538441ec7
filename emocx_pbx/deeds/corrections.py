"""Deeds that correct readings and queries: what they should have said, kept as labels for training."""

from __future__ import annotations

from typing import Final

from emocx_pbx.deeds.grades import REASON_CHARS, checked_reason
from emocx_pbx.domain import LABELS
from emocx_pbx.errors import InputError, NotFoundError
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.audit import Entry
from emocx_pbx.store.database import Store
from emocx_pbx.store.rows import CorrectionRow, QueryCorrectionRow

#: Seconds by which a correction's times may differ from the reading's: they went through JSON.
SAME_S: Final = 0.005


async def correct_reading(
    store: Store, call_id: str, t0: float, t1: float, emotion: str, reason: str, at: float, by: Actor
) -> CorrectionRow:
    """Correct a reading: keep what it should have said.

    Args:
        store: where readings are kept.
        call_id: of the call.
        t0: the reading's begin in seconds of call time, as the reading gives it.
        t1: its end, likewise.
        emotion: one of the four.
        reason: why, 1 to 500 characters.
        at: Unix seconds.
        by: who does it.

    Raises:
        InputError: no such emotion, or the reason is missing or too long.
        NotFoundError: no such reading.
    """
    emotion, reason = _checked(emotion), checked_reason(reason)
    readings = await store.readings.of_call(call_id)
    known = next((r for r in readings if abs(r.t0 - t0) + abs(r.t1 - t1) < SAME_S), None)
    if known is None:
        raise NotFoundError("no such reading: t0 and t1 are those of the call's detail")
    row = CorrectionRow(call_id, known.t0, known.t1, emotion, by.name, reason, at)
    before, after = {"emotion": known.scores.emotion}, {"emotion": emotion, "reason": reason}
    noted = Entry(by, "reading.corrected", f"{call_id}@{known.t0:.2f}", before, after)
    await store.readings.correct(row, noted)
    return row


async def correct_query(
    store: Store, decision_id: str, emotion: str, reason: str, at: float, by: Actor, author: str | None = None
) -> tuple[QueryCorrectionRow, str]:
    """Correct a query: keep what its text should have said; returns the correction and the text.

    Args:
        store: where decisions are kept.
        decision_id: of the query.
        emotion: one of the four.
        reason: why; may be empty.
        at: Unix seconds.
        by: who does it.
        author: the person whose word it is; default: who does it.

    Raises:
        InputError: there is no such emotion, the reason is too long, or the text was not kept.
        NotFoundError: no such decision.
    """
    emotion, reason = _checked(emotion), reason.strip()
    if len(reason) > REASON_CHARS:
        raise InputError(f"A reason has at most {REASON_CHARS} characters.")
    found = await store.decisions.get(decision_id)
    if found is None:
        raise NotFoundError(f"no decision {decision_id} in the database")
    if not found.text:
        raise InputError(f"{decision_id}: its text was not kept (privacy.store_query_text)")
    row = QueryCorrectionRow(decision_id, emotion, author or by.name, reason, at)
    before = {"emotion": found.decision.emotion}
    after = {"emotion": emotion, "reason": reason, "author": row.author}
    await store.decisions.correct(row, Entry(by, "query.corrected", decision_id, before, after))
    return row, found.text


def _checked(emotion: str) -> str:
    if emotion not in {str(label) for label in LABELS}:
        raise InputError(f"expected one of {', '.join(LABELS)}, got {emotion!r}")
    return emotion
