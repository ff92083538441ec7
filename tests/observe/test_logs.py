"""Log lines: JSON that parses, levels that hold, and nothing private."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from emocx_pbx.observe.logs import configure
from emocx_pbx.settings.settings import LogSettings


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def test_json_lines() -> None:
    out = io.StringIO()
    configure(LogSettings(format="json"), out)
    structlog.get_logger().info("tap ended", key="tap.ended", call_id="1.2")
    line = json.loads(out.getvalue())
    assert (line["event"], line["key"], line["call_id"], line["level"]) == (
        "tap ended", "tap.ended", "1.2", "info",
    )  # fmt: skip
    assert line["timestamp"].endswith("Z")


def test_levels() -> None:
    out = io.StringIO()
    configure(LogSettings(level="warning"), out)
    structlog.get_logger().info("quiet", key="a")
    structlog.get_logger().warning("loud", key="b")
    assert "quiet" not in out.getvalue() and "loud" in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_private_fields_are_withheld(form: str) -> None:
    out = io.StringIO()
    configure(LogSettings(format=form), out)  # type: ignore[arg-type]
    structlog.get_logger().warning("odd", key="a", number="+4912345", text="my words", secret="s3cret")
    assert not {"+4912345", "my words", "s3cret"} & set(out.getvalue().replace('"', " ").split())
    assert "4912345" not in out.getvalue() and "my words" not in out.getvalue()
    assert "(withheld)" in out.getvalue()


@pytest.mark.parametrize("form", ["json", "console"])
def test_exceptions_are_written(form: str) -> None:
    out = io.StringIO()
    configure(LogSettings(format=form), out)  # type: ignore[arg-type]
    try:
        raise ZeroDivisionError("by nought")
    except ZeroDivisionError:
        structlog.get_logger().exception("failed", key="x")
    assert "ZeroDivisionError" in out.getvalue() and "by nought" in out.getvalue()
