"""A call back carries names as they are, whatever is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from emocx_pbx.dispatch.callback import CallBack
from emocx_pbx.dispatch.to_place import CallToPlace
from emocx_pbx.domain import Decision
from emocx_pbx.errors import InputError
from emocx_pbx.pbx.ami.gateway import LinkState
from emocx_pbx.pbx.queues import argument, queue_arguments


class Ami:
    """Takes actions down."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []
        self.state = LinkState(True, "22.1.0")

    async def action(self, name: str, fields: Mapping[str, Any]) -> None:
        self.sent.append(fields)


class Observed:
    """What is told of calls that are placed."""

    def __init__(self) -> None:
        self.observed: list[tuple[str, str]] = []

    def begun(self, call_id: str, number: str) -> None:
        self.observed.append((call_id, number))

    def failed(self, call_id: str, why: str) -> None:
        self.observed.append((call_id, why))


def separated(text: str) -> list[str]:
    """What Asterisk makes of a list (main/app.c, __ast_app_separate_args with a comma)."""
    parts, quoted, depth, i = [""], False, 0, 0
    while i < len(text):
        char = text[i]
        if char in "([":
            depth += 1
        elif char in ")]":
            depth = max(0, depth - 1)
        if char == '"':
            quoted = not quoted
        elif char == "\\":
            i += 1
            parts[-1] += text[i : i + 1]
        elif char == "," and not quoted and not depth:
            parts.append("")
        else:
            parts[-1] += char
        i += 1
    return parts


@pytest.mark.parametrize(
    "text",
    ["Z\u00fcrich (EN)", "800@tenant", "c1-!hold!1", "+4930123456", "a+b@x.org", "KD-4711/2024",
     "billing, refunds", 'say "so"', "a\\b", "(open", "x]y[", ""],
)  # fmt: skip
def test_asterisk_reads_back_what_was_written(text: str) -> None:
    assert separated(argument(text)) == [text]
    assert separated(queue_arguments(text, "emocx-20", "22.1.0"))[0] == text


async def test_a_comma_in_a_topic_is_not_cut() -> None:
    ami, announced = Ami(), Observed()
    back = CallBack(ami, "Local/{number}@x", announced)  # type: ignore[arg-type]
    decision = Decision("d", 0.0, "ok", "Z\u00fcrich (EN)", "angry", 0.9, None, topic="billing, refunds")
    await back.ring(CallToPlace("+4930123456", "c1", decision, 'KD,"1"'))
    [sent] = ami.sent
    variables = dict(part.split("=", 1) for v in sent["Variable"] for part in separated(v))
    assert (variables["EMOCX_TOPIC"], variables["EMOCX_CUSTOMER"]) == ("billing, refunds", 'KD,"1"')
    assert (separated(sent["Data"]), variables["EMOCX_QUEUE"]) == (["Z\u00fcrich (EN)"], "Z\u00fcrich (EN)")


async def test_a_call_that_no_queue_takes_is_over_at_once() -> None:
    announced = Observed()
    back = CallBack(Ami(), "Local/{number}@x", announced)  # type: ignore[arg-type]
    with pytest.raises(InputError):
        decision = Decision("d", 0.0, "ok", "", "angry", 0.9, None)
        await back.ring(CallToPlace("+4930123456", "c1", decision))
    [begun, (call_id, why_not)] = announced.observed
    assert begun == ("c1", "+4930123456")
    assert call_id == "c1" and "no queue" in why_not
