"""The short form of benchmarks.faults: calls go on while things fail, and nothing of them is lost."""

from __future__ import annotations

import pytest

from benchmarks.faults.judge import judge
from benchmarks.faults.plan import chosen
from benchmarks.faults.report import details
from benchmarks.faults.run import Options, run
from emocx_pbx.lab.asterisk import Installation


@pytest.mark.timeout(400)
async def test_nothing_is_lost_when_things_fail(installation: Installation) -> None:
    faults = chosen(["worker-killed", "controller-killed", "link-cut", "store-locked-7"])
    short = Options(
        faults, times=1, rate=1.0, shortest_s=6.0, longest_s=14.0, duration_s=0.0, warm_s=6.0, settle_s=30.0
    )
    history = await run(short)
    verdict = judge(history)
    assert verdict.kept, "\n".join(details(history, verdict))
    assert verdict.total.times == len(faults)
    assert verdict.total.callers > 20
