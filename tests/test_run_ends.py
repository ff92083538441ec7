"""A run of these tests ends, whatever a failed test left behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parent
LEAVES_A_THREAD = """
import threading

def test_fails():
    threading.Thread(target=threading.Event().wait).start()
    assert False
"""


def test_a_failed_test_that_left_a_thread_does_not_keep_the_run(tmp_path: Path) -> None:
    (tmp_path / "test_leaves.py").write_text(LEAVES_A_THREAD)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", "-p", "no:cacheprovider", "test_leaves.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 1 and "threads left running" in run.stdout
