"""Deeds of reviews: drawing windows for people to label, and keeping their labels."""

from __future__ import annotations

import asyncio
import math
import random
import secrets
from dataclasses import dataclass
from typing import Final

from emocx_pbx.deeds.recordings import recording_path
from emocx_pbx.errors import InputError
from emocx_pbx.review.accuracy import Accuracy, accuracy
from emocx_pbx.review.sampling import TRIES, Key, draw
from emocx_pbx.review.windows import ANSWERS, Kind
from emocx_pbx.settings.settings import Settings
from emocx_pbx.store.account_rows import Actor
from emocx_pbx.store.database import Store
from emocx_pbx.store.review_rows import RoundRow

#: Most windows of either sort in one round.
MOST: Final = 1_000
#: Seconds that a first round looks back.
FIRST_S: Final = 30 * 86_400.0
KINDS: Final[tuple[Kind, ...]] = ("voice", "text")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a round should contain."""

    kind: str
    """voice or text."""
    number: int
    """Number of windows drawn from all, 0 to MOST."""
    doubts: int
    """Number of windows of doubt besides, 0 to MOST."""
    twice: float
    """Share, 0 to 1, that two people should label."""
    since: float | None = None
    """Unix seconds; None: where the last round of the kind ended, or 30 days ago."""
    until: float | None = None
    """Unix seconds; None: now."""


async def draw_round(
    store: Store, settings: Settings, wanted: Wanted, now: float, by: Actor, rng: random.Random
) -> RoundRow:
    """Draw windows of ended calls, or kept queries, at random; none are of customers who opted out.

    Args:
        store: where windows and queries are, and where the round is kept.
        settings: say where recordings are.
        wanted: what the round should contain.
        now: Unix seconds.
        by: who does it.
        rng: source of randomness.

    Raises:
        InputError: a value is out of its bounds, or there is nothing to draw; says why.
    """
    kind, number, doubts = checked_kind(wanted.kind), wanted.number, wanted.doubts
    if not (0 <= number <= MOST and 0 <= doubts <= MOST and number + doubts):
        raise InputError(f"expected 0 to {MOST} random windows and 0 to {MOST} of doubt, and at least one")
    if not 0.0 <= wanted.twice <= 1.0:
        raise InputError("expected a share of 0 to 1 to be labelled twice")
    template = settings.recordings.path
    if kind == "voice" and not template:
        raise InputError("windows are played from this site's own recordings: set [recordings] path")
    until = now if wanted.until is None else min(wanted.until, now)
    since = wanted.since
    if since is None:
        last = await store.reviews.last_until(kind)
        since = until - FIRST_S if last is None else last
    if not (math.isfinite(since) and math.isfinite(until) and since < until):
        raise InputError("nothing to draw: the time ends before it begins; say since when")
    found = await store.reviews.drawable(kind, since, until, TRIES * (number + doubts))
    began = found.began

    def playable(key: Key) -> bool:
        return kind == "text" or recording_path(template, key[0], began[key[0]]) is not None

    drawn = await asyncio.to_thread(draw, found.frame, number, doubts, wanted.twice, playable, rng)
    if not drawn.items:
        raise InputError(_nothing(kind, drawn.unplayable))
    ids = [secrets.token_hex(8) for _ in drawn.items]
    round_id = await store.reviews.add_round(kind, since, until, drawn, ids, by)
    return next(row for row in await store.reviews.rounds() if row.round_id == round_id)


async def label_window(store: Store, item_id: str, label: str, by: Actor, author: str | None = None) -> None:
    """Keep a person's label for a window; a later one by the same person replaces it.

    Args:
        store: where it is kept.
        item_id: the window's.
        label: one of the four, or unclear.
        by: who does it.
        author: who says so; default: who does it.

    Raises:
        InputError: there is no such label, or two others have labelled the window.
        NotFoundError: there is no such window.
    """
    if label not in ANSWERS:
        raise InputError(f"expected one of {', '.join(ANSWERS)}, got {label!r}")
    await store.reviews.label(item_id, author or by.name, label, by)


async def accuracy_here(store: Store, settings: Settings, kind: Kind, since: float = 0.0) -> Accuracy:
    """What the labels of rounds drawn since then show about the model on this site; deterministic."""
    kept = await store.reviews.labelled(kind, since)
    sizes, upset = await store.reviews.sizes(), settings.routing.upset_threshold
    labelled = [one.labelled for one in kept]
    return await asyncio.to_thread(accuracy, labelled, sizes, upset, random.Random(0))


def checked_kind(kind: str) -> Kind:
    """A kind as it is kept.

    Raises:
        InputError: the kind is neither voice nor text.
    """
    for known in KINDS:
        if kind == known:
            return known
    raise InputError(f"expected voice or text, got {kind!r}")


def _nothing(kind: Kind, unplayable: int) -> str:
    if kind == "text":
        return "nothing to draw: no query of that time has its text kept (privacy.store_query_text)"
    if unplayable:
        return f"nothing to draw: none of {unplayable} windows that were looked at has a recording"
    return "nothing to draw: no call of that time was heard, or all was drawn before"
