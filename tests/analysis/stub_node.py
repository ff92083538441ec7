"""A real worker of a cluster, `emocx-pbx worker`, whose models are the stubs of stub_worker.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.stub_worker import StubLoader

from emocx_pbx import cli
from emocx_pbx.analysis.worker import worker as host

if __name__ == "__main__":
    host.Loader = StubLoader  # type: ignore[misc]
    sys.exit(cli.main(["worker", *sys.argv[1:]]))
