"""A real worker of a cluster, `emocx-pbx worker`, whose models are the stubs of stub_worker.py."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from analysis.stub_worker import use_stubs

from emocx_pbx import cli

if __name__ == "__main__":
    use_stubs()
    sys.exit(cli.main(["worker", *sys.argv[1:]]))
