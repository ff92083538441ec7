"""The arms of the holdout as the store adds them up, compared: for the page and for the API."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from emocx_pbx.routing.benefit import Comparison, Summary, compare_summaries
from emocx_pbx.store.list_rows import Arm, Spread


def compared(arms: Mapping[str, Arm]) -> list[Comparison]:
    """Routed customers against the holdout."""
    pair = [arms.get(name) for name in ("routed", "holdout")]

    def both(read: Callable[[Arm], Spread]) -> tuple[Summary, Summary]:
        routed, holdout = (Summary(0, None, None) if arm is None else _summary(read(arm)) for arm in pair)
        return routed, holdout

    return compare_summaries(
        {
            "grade": both(lambda arm: arm.score),
            "abandoned": both(lambda arm: arm.abandoned),
            "wait": both(lambda arm: arm.wait_s),
            "handle time": both(lambda arm: arm.talk_s),
        }
    )


def _summary(spread: Spread) -> Summary:
    return Summary(spread.number, spread.mean, spread.variance)
