"""The demo of a cluster: two real Asterisks, the controller that acts killed in the middle of two calls."""

from __future__ import annotations

import pytest

from emocx_pbx.demo.cluster import SITES, run_cluster_demo


@pytest.mark.timeout(300)
async def test_both_calls_are_graded_and_told_once_though_the_controller_died() -> None:
    told = await run_cluster_demo(quiet=True)
    assert [call["pbx"] for call in told["calls"]] == list(SITES)
    for call in told["calls"]:
        assert call["events"] == ["query.routed", "call.started", "call.graded", "call.ended"]
        assert call["grade"] is not None
