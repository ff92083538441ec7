"""Prints the man page emocx-pbx(1), made of the command line's own parser: `python scripts/man_page.py`."""

from __future__ import annotations

import datetime
import os
import sys
import time
from importlib.metadata import version

from argparse_manpage.manpage import Manpage

from emocx_pbx.cli import parser

EXIT_STATUS = r"""
.SH EXIT STATUS
0: success. 1: what was looked at is not in order (check, status, webhooks test, evaluate \-\-against).
2: bad usage or input, with one line on standard error. 130: interrupted.
.SH FILES
.I /etc/emocx-pbx/emocx.toml
settings, after ./emocx.toml; \-\-config and EMOCX_CONFIG name another.
.SH SIGNALS
serve: SIGHUP reads settings and policy again and loads promoted models; SIGTERM ends it in order.
"""


def page() -> str:
    """The page in troff. Its date is SOURCE_DATE_EPOCH's, where a package's build sets that."""
    at = os.environ.get("SOURCE_DATE_EPOCH")
    made = datetime.datetime.fromtimestamp(int(at) if at else time.time(), datetime.UTC)
    about = {
        "manual_section": 1,
        "manual_title": "EmoCX PBX",
        "project_name": "emocx-pbx",
        "version": version("emocx-pbx"),
        "date": f"{made:%Y-%m-%d}",
    }
    return f"{Manpage(parser(), about)}\n{EXIT_STATUS}"


if __name__ == "__main__":
    sys.stdout.write(page())
