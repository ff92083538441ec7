"""Logs: one line an event, for people on a console or as JSON, always with a stable `key`."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog
from structlog.typing import EventDict, WrappedLogger

from emocx_pbx.settings.settings import LogSettings

#: Fields that must never reach a log, whoever passes them: phone numbers, words, secrets, audio.
FORBIDDEN = frozenset({"audio", "caller", "number", "pcm", "query", "secret", "text", "token"})


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
    structlog.configure(
        processors=[
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
    # Libraries (aiohttp, panoramisk, asyncio) log by the standard module: only what needs attention.
    logging.basicConfig(stream=out, level=max(level, logging.WARNING), force=True)
    logging.getLogger("panoramisk").setLevel(logging.CRITICAL)


def without_private(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Blank the fields that must not be written; the rest of the line stays useful."""
    for name in FORBIDDEN & event.keys():
        event[name] = "(withheld)"
    return event
