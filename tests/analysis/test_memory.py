"""What a worker frees stays its own."""

from __future__ import annotations

import ctypes
import platform
import subprocess
import sys

import pytest

from emocx_pbx.analysis.worker.memory import keep_freed

#: Two arrays of 2 MB, one after the other; prints how many pages the second one had to be given.
PROGRAM = """
import resource
from emocx_pbx.analysis.worker.memory import keep_freed
import numpy as np
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(500_000, np.float32)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
if {kept}:
    keep_freed()
faults()
print(faults())
"""


def faults(kept: bool) -> int:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(kept=kept)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_the_next_array_of_a_size_needs_no_new_pages() -> None:
    assert faults(kept=True) < faults(kept=False) / 4


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not keep_freed()
