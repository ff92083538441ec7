"""A flood of one kind of line must not fill the disk."""

from __future__ import annotations

import io
import json
import logging

import structlog

from emocx_pbx.observe.logs import MOST_LINES, WINDOW_S, Sparing, configure
from emocx_pbx.settings.settings import LogSettings


def test_lines_of_one_kind_are_spared_and_others_written() -> None:
    now = 0.0
    sparing = Sparing(lambda: now)
    written = [sparing.left_out("warning http.crowded") for _ in range(1000)]
    assert written == [0] * MOST_LINES + [None] * (1000 - MOST_LINES)
    assert sparing.left_out("warning tap.failed") == 0
    now = 2 * WINDOW_S
    assert sparing.left_out("warning http.crowded") == 1000 - MOST_LINES
    assert sparing.left_out("warning http.crowded") == 0


def test_both_kinds_of_loggers_are_spared() -> None:
    out = io.StringIO()
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    try:
        configure(LogSettings(format="json"), out)
        for n in range(1000):
            structlog.get_logger().warning("too many", key="http.crowded", n=n)
            logging.getLogger("asyncio").error("socket.accept() out of system resource")
        lines = out.getvalue().splitlines()
    finally:
        structlog.reset_defaults()
        root.handlers[:] = handlers
        root.setLevel(level)
    assert len(lines) == 2 * MOST_LINES
    assert json.loads(lines[0])["n"] == 0
