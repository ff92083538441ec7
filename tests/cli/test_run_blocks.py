"""Every command block of README and docs is run by a test, or says here why none can run it."""

from __future__ import annotations

from pathlib import Path

import pytest
from cli.test_documented_commands import ROOT, blocks

#: First words of a block: the test that runs it or what the same commands do, or "-" and why none does.
RUN_BY = {
    "make demo": "- it is this suite; the demo is tests/demo/test_story.py",
    "useradd --system --user-group": "packaging/tests/test_readme.py",
    "install -o root -g asterisk": "packaging/tests/test_readme.py",
    "install -m 644 dialplan": "packaging/tests/test_readme.py",
    "same => n,Set(EMOCX_CUSTOMER": "packaging/tests/test_readme.py",
    "/opt/emocx-pbx/bin/emocx-pbx check": "packaging/tests/test_readme.py",
    "curl -s http://127.0.0.1:8085/api/v1/queries": "packaging/tests/test_readme.py",
    "curl -s http://127.0.0.1:8085/api/v1/calls": "packaging/tests/test_readme.py",
    "schemathesis run": "tests/web/test_v1_any_request.py",
    "cp /opt/emocx-pbx/lib": "packaging/tests/test_deb.py",
    "emocx-pbx backup": "packaging/tests/test_deb.py",
    "systemctl stop emocx-pbx": "packaging/tests/test_deb.py",
    "apt-get install ./emocx-pbx_": "packaging/tests/test_deb.py",
    "apt-get remove emocx-pbx": "packaging/tests/test_deb.py",
    "cp -r models": "tests/cli/test_own_data.py",
    "emocx-pbx export corrections": "tests/cli/test_own_data.py",
    "emocx-pbx train speech": "tests/training/test_own_clips.py",
    "emocx-pbx evaluate speech": "tests/cli/test_models.py",
    "emocx-pbx models rollback": "tests/cli/test_models.py",
    "emocx-pbx threshold propose": "tests/cli/test_threshold_kept.py",
    "emocx-pbx models fetch": "tests/weights/test_fetch.py",
    "python -m benchmarks.cluster_faults": "tests/benchmarks/test_cluster_faults_parts.py",
    "python -m benchmarks.faults": "tests/benchmarks/test_faults_parts.py",
    "emocx-pbx review draw": "tests/cli/test_review_command.py",
    "emocx-pbx review train": "tests/cli/test_review_command.py",
    "createuser --pwprompt": "- of PostgreSQL, which is another's program",
    "emocx-pbx webhooks list": "tests/cli/test_records_commands.py",
    "EMOCX_PBX = berlin": "tests/pbx_real/test_two_pbxes.py",
    "Event: UserEvent": "- what Asterisk says, no command",
    "people, CRMs, chat": "- a drawing",
    "server_name: n1": "- the configuration of NATS, which is another's program",
    "emocx-pbx worker --index": "tests/analysis/test_fleet.py",
    "emocx-pbx worker drain": "tests/analysis/test_fleet.py",
    "emocx-pbx door": "tests/pbx_real/test_with_cluster.py",
    "emocx-pbx serve --role web": "tests/pbx_real/test_web_nodes_of_calls.py",
    "file,label,customer": "- a table",
    "location / {": "- of nginx, which is another's program",
}

FIRST = [(page, text.strip().splitlines()[0]) for kind in ("", "sh", "bash") for page, text in blocks(kind)]


@pytest.mark.parametrize(("page", "first"), FIRST)
def test_a_block_is_run_or_says_why_not(page: str, first: str) -> None:
    named = [by for words, by in RUN_BY.items() if first.strip().startswith(words)]
    assert len(named) == 1, f"{page}: say which test runs: {first}"
    if not named[0].startswith("- "):
        assert (ROOT / named[0]).is_file(), named[0]


def test_nothing_is_said_of_blocks_that_are_gone() -> None:
    assert all(any(first.startswith(words) for _, first in FIRST) for words in RUN_BY)
    assert all(Path(by).suffix == ".py" or by.startswith("- ") for by in RUN_BY.values())
