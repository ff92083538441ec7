"""Logs: one line per event, for people on a console or as JSON, always with a stable `key`."""

from __future__ import annotations

import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from emocx_pbx.limits import Limit
from emocx_pbx.settings.settings import LogSettings

#: Fields that must never reach a log, whoever passes them: phone numbers, words, secrets, audio.
FORBIDDEN = frozenset({"audio", "caller", "number", "pcm", "query", "secret", "text", "token"})


#: Lines of one kind written within this time; those left out are counted in the next one.
MOST_LINES: Final = 100
WINDOW_S: Final = 10.0


class Sparing:
    """Drops lines of a kind (level and key) that comes too often, so that a flood can't fill the disk."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limit = Limit(MOST_LINES, WINDOW_S, max_keys=1_000)
        self._left_out: OrderedDict[str, int] = OrderedDict()

    def left_out(self, kind: str) -> int | None:
        """How many lines of this kind were left out before this one; None: leave this one out as well."""
        at = self._clock()
        if self._limit.wait_s(kind, at) > 0:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            while len(self._left_out) > 1_000:
                self._left_out.popitem(last=False)
            return None
        self._limit.use(kind, at)
        return self._left_out.pop(kind, 0)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        """As a processor of structlog."""
        left_out = self.left_out(f"{method} {event.get('key') or event.get('event')}"[:200])
        if left_out is None:
            raise structlog.DropEvent
        if left_out:
            event["left_out"] = left_out
        return event

    def filter(self, record: logging.LogRecord) -> bool:
        """As a filter of the standard library's handlers."""
        return self.left_out(f"{record.name} {record.msg}"[:200]) is not None


def configure(settings: LogSettings, stream: TextIO | None = None) -> None:
    """Set up logging of the process; call once, before the first line.

    Args:
        settings: least level and format.
        stream: where to write; None: stderr, so that a command's own output stays clean.
    """
    out = stream if stream is not None else sys.stderr
    level = logging.getLevelNamesMapping()[settings.level.upper()]
    render: structlog.typing.Processor
    if settings.format == "json":
        render = structlog.processors.JSONRenderer(default=str)
        # Without locals: they would hold queries and telephone numbers.
        transform = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        tracebacks: list[structlog.typing.Processor] = [structlog.processors.ExceptionRenderer(transform)]
    else:
        render = structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
        tracebacks = []
    sparing = Sparing()
    structlog.configure(
        processors=[
            sparing,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            without_private,
            *tracebacks,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=False,
    )
    # Libraries (aiohttp, panoramisk, asyncio) use the standard module: log only what needs attention.
    logging.basicConfig(stream=out, level=max(level, logging.WARNING), force=True)
    for handler in logging.getLogger().handlers:
        handler.addFilter(sparing.filter)
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)


def without_private(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Blank the fields that must not be written; the rest of the line stays useful."""
    for name in FORBIDDEN & event.keys():
        event[name] = "(withheld)"
    return event
