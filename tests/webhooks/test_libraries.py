"""Receivers that verify by standardwebhooks and svix, in JavaScript and Python, take every event."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import standardwebhooks
import svix.webhooks
from hypothesis import given
from hypothesis import strategies as st
from webhooks.webhook_receiver import SECRET

from emocx_pbx.events.event import NewEvent
from emocx_pbx.settings.settings import WebhookSettings
from emocx_pbx.webhooks.networks import Networks
from emocx_pbx.webhooks.post import Poster
from emocx_pbx.webhooks.signing import headers

ROOT = Path(__file__).parents[2]
NUMBERS = (
    0.0,
    -0.0,
    1.0,
    62.0,
    0.1,
    -7.25,
    1e20,
    1e21,
    1e22,
    1e-6,
    1e-7,
    5e-324,
    1.7976931348623157e308,
    1 / 3,
)
DATA: dict[str, Any] = {
    "score": 62.0,
    "agent": "Zoë Ünlü \U0001f600",
    "quotes": '"\\/</script>\b\f\n\r\t\x00\x1f\x7f\u2028',
    "numbers": [*NUMBERS, *(n / 7 for n in range(1, 300)), *(10.0**n for n in range(-30, 30))],
    "none": None,
    "facts": {"deep": [[], {}, [1.0, [2.5]]], "share": 0.25, "big": 2**53},
}


@pytest.fixture(scope="module")
def node() -> dict[str, str]:
    """Node with the packages of tests/webhooks/js in its environment."""
    if shutil.which("node") is None:
        pytest.skip("needs node, which `make test` installs: scripts/install-node-packages.sh")
    script = ROOT / "scripts" / "install-node-packages.sh"
    done = subprocess.run([script], check=True, capture_output=True, text=True, timeout=300)
    return {**os.environ, "NODE_PATH": done.stdout.strip()}


@pytest.fixture
async def javascript(node: dict[str, str]) -> AsyncIterator[tuple[int, Callable[[], Any]]]:
    """The receiver's port, and what it says of the next event."""
    process = await asyncio.create_subprocess_exec(
        "node",
        str(Path(__file__).with_name("js") / "receiver.js"),
        SECRET,
        env=node,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout

    async def line() -> Any:
        async with asyncio.timeout(30):
            assert process.stdout is not None
            return json.loads(await process.stdout.readline())

    yield await line(), line
    process.kill()
    await process.wait()


async def test_javascript_takes_bodies_as_they_came_and_as_it_writes_them_again(
    javascript: tuple[int, Callable[[], Any]],
) -> None:
    port, line = javascript
    target = "/hook?sig=a%2Bb%2fc%3D&x=%7E"
    receiver = WebhookSettings(name="crm", url=f"http://127.0.0.1:{port}{target}", secret=SECRET)
    poster = Poster(Networks(["127.0.0.0/8"]))
    for n, at in enumerate((0.0, 1795512528.25, time.time())):
        body = NewEvent("call.graded", "1795512460.12", DATA, at, str(n)).body(n + 1)
        outcome = await poster.post(receiver, headers(f"evt_{n}", body, [SECRET], time.time()), body.encode())
        assert outcome is not None and outcome.taken, (await line(), outcome)
        assert await line() == {"target": target, "id": f"evt_{n}", "wrong": []}


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20) | st.floats(), max_size=5))
def test_both_python_libraries_take_any_event(data: dict[str, Any]) -> None:
    body = NewEvent("call.graded", "1.2", data, 1000.0).body(1)
    signed = headers("evt_1", body, [SECRET], time.time())
    standardwebhooks.Webhook(SECRET).verify(body, signed)
    svix.webhooks.Webhook(SECRET).verify(body.encode(), signed)
    with pytest.raises(svix.webhooks.WebhookVerificationError):
        svix.webhooks.Webhook(SECRET).verify(body.encode() + b" ", signed)
