"""docs/webhooks.md: its verification example verifies, its table names what schemas name."""

from __future__ import annotations

import base64
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emocx_pbx.events.payloads import PAYLOADS
from emocx_pbx.webhooks.schedule import DELAYS_S
from emocx_pbx.webhooks.signing import headers

PAGE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OTHER = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()


@pytest.fixture(scope="module")
def verify() -> Callable[[str, dict[str, str], bytes], bool]:
    code = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert code
    names: dict[str, Any] = {}
    exec(compile(code[1], "docs/webhooks.md", "exec"), names)
    found: Callable[[str, dict[str, str], bytes], bool] = names["verify"]
    return found


def test_the_example_takes_what_we_send(verify: Callable[[str, dict[str, str], bytes], bool]) -> None:
    body = '{"type":"call.ended","data":{"agent":"Zoë"}}'
    for secrets in ([SECRET], [OTHER, SECRET]):
        assert verify(SECRET, headers("evt_1", body, secrets, time.time()), body.encode())


def test_the_example_refuses_the_rest(verify: Callable[[str, dict[str, str], bytes], bool]) -> None:
    signed = headers("evt_1", "{}", [SECRET], time.time())
    assert not verify(SECRET, signed, b'{"a":1}')
    assert not verify(OTHER, signed, b"{}")
    assert not verify(SECRET, {**signed, "webhook-id": "evt_2"}, b"{}")
    old = headers("evt_1", "{}", [SECRET], time.time() - 400)
    assert not verify(SECRET, old, b"{}")


@pytest.mark.parametrize("event_type", PAYLOADS)
def test_the_table_lists_every_field(event_type: str) -> None:
    row = re.search(rf"^\| `{re.escape(event_type)}` \|.*\| (.*) \|$", PAGE, re.MULTILINE)
    assert row and row[1].split(", ") == list(PAYLOADS[event_type].__struct_fields__)


def test_the_schedule_is_the_codes() -> None:
    words = {5: "5 s", 300: "5 min", 1800: "30 min"}
    observed = [words.get(s, f"{s // 3600} h") for s in DELAYS_S]
    assert "0 s, then " + ", ".join(observed[:-1]) + f" and {observed[-1]}" in PAGE
