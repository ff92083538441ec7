"""Compares two models on the same held-out calls or texts: a paired bootstrap, and a stated rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from emocx_pbx.training.figures import uar

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]

DRAWS: Final = 2000
#: UAR that chance may seem to take away before the new model counts as possibly worse.
MARGIN: Final = 0.02
#: Share of draws with a greater loss than MARGIN from which the new model is refused.
MOST_LOSING: Final = 0.20
#: Fewer clips or texts decide nothing.
LEAST: Final = 20
#: Where nobody looks at the result, fewer callers than this say nothing about others.
LEAST_CALLERS: Final = 10

RULE: Final = (
    f"refused when the new UAR is lower on the same held-out items, when more than {MOST_LOSING:.0%} of "
    f"{DRAWS} paired bootstrap draws lose over {MARGIN} of UAR, or when there are fewer than {LEAST} items"
)


def compare(
    truth: Ints, old: Floats, new: Floats, groups: Sequence[str] | None = None, seed: int = 0
) -> dict[str, Any]:
    """Old and new probabilities (n, 4) of the same items with labels (n,), and whether the new model may
    replace the old.

    Draws are of whole groups (callers) where there are five or more, else of single items: clips of one
    caller are alike, and drawing them alone would make the figures look surer than they are.
    Keys: uar_old, uar_new, difference, low, high (the middle 90 % of the draws' differences), losing
    (share of draws that lose over the margin), items, drawn, promote, why, rule.
    """
    best_old, best_new = old.argmax(axis=1), new.argmax(axis=1)
    before, after = uar(truth, best_old), uar(truth, best_new)
    members = _members(len(truth), groups)
    rng = np.random.default_rng(seed)
    differences = np.empty(DRAWS)
    for draw in range(DRAWS):
        rows = np.concatenate([members[i] for i in rng.integers(len(members), size=len(members))])
        differences[draw] = uar(truth[rows], best_new[rows]) - uar(truth[rows], best_old[rows])
    low, high = np.quantile(differences, (0.05, 0.95))
    losing = float(np.mean(differences < -MARGIN))
    why = _objection(len(truth), before, after, losing)
    return {
        "uar_old": round(before, 4),
        "uar_new": round(after, 4),
        "difference": round(after - before, 4),
        "low": round(float(low), 4),
        "high": round(float(high), 4),
        "losing": round(losing, 4),
        "items": len(truth),
        "drawn": "callers" if len(members) < len(truth) else "items",
        "promote": why is None,
        "why": why or "not worse on the same held-out items",
        "rule": RULE,
    }


def beyond_chance(comparison: dict[str, Any], callers: int) -> tuple[bool, str]:
    """Whether a comparison over `callers` held-out callers shows a gain beyond chance, and why or why not.

    Stricter than `promote`, which accepts what is not worse: here nobody looks at the model before it is in
    use.
    """
    gain, low = comparison["difference"], comparison["low"]
    if comparison["items"] < LEAST or callers < LEAST_CALLERS:
        few = f"{comparison['items']} held-out items of {callers} callers"
        return False, f"only {few}; at least {LEAST} of {LEAST_CALLERS} are needed to tell"
    if low > 0:
        return (
            True,
            f"better beyond chance: UAR {gain:+.3f} on {callers} held-out callers, at least {low:+.3f}",
        )
    return False, f"not better beyond chance: UAR {gain:+.3f}, from {low:+.3f} to {comparison['high']:+.3f}"


def _members(count: int, groups: Sequence[str] | None) -> list[Ints]:
    """Row numbers of each unit that is drawn as one."""
    names = np.array(groups if groups is not None else [])
    if len(set(names.tolist())) < 5:
        return [np.array([i]) for i in range(count)]
    return [np.flatnonzero(names == name) for name in np.unique(names)]


def _objection(items: int, before: float, after: float, losing: float) -> str | None:
    if items < LEAST:
        return f"only {items} held-out items; at least {LEAST} are needed to tell"
    if after < before:
        return f"worse: UAR {after:.3f}, the present model has {before:.3f} on the same items"
    if losing > MOST_LOSING:
        return f"too uncertain: {losing:.0%} of the bootstrap draws lose over {MARGIN} of UAR"
    return None
