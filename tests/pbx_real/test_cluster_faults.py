"""The short form of benchmarks.cluster_faults: hosts of a cluster fail, and nothing is lost."""

from __future__ import annotations

import pytest

from benchmarks.cluster_faults.__main__ import IN_QUEUE_S, short
from benchmarks.cluster_faults.faults import SHORT
from benchmarks.cluster_faults.network import Network
from benchmarks.cluster_faults.run import run
from benchmarks.faults.judge import judge
from benchmarks.faults.report import details
from emocx_pbx.errors import PeerUnavailable
from emocx_pbx.lab.asterisk import Installation


@pytest.mark.timeout(500)
async def test_nothing_is_lost_when_hosts_fail(installation: Installation) -> None:
    try:
        with Network():
            pass
    except PeerUnavailable as error:
        pytest.skip(str(error))
    history = await run(short())
    verdict = judge(history, IN_QUEUE_S)
    assert verdict.kept, "\n".join(details(history, verdict))
    assert verdict.total.times == len(SHORT)
    assert verdict.total.callers > 20
    assert {caller.call_id.split("/")[0] for caller in history.callers} == {"berlin", "vienna"}
